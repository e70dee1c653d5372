// AWS SDK for JavaScript v3 with default settings. Usage: with_sdk.mjs STEP ENDPOINT BUCKET; a step is a function of this file.
// forcePathStyle: no DNS knows BUCKET.127.0.0.1.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import * as s3 from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const [step, endpoint, bucket] = process.argv.slice(2);
const client = new s3.S3Client({ endpoint, forcePathStyle: true });
const KEYS = [
  ...["plain", "with space", "plus+sign", "percent%20literal", "a&b=c;d@e,f?g#h", "ünïcode-€-日本-😀"],
  ...["folder/", "a", "a/b", "a+1/b", "./dot", "up/../x", "/leading", "double//slash", "k".repeat(1000), "quote\"'<>\\^`{|}~*()!"],
];
const MIB = 1024 * 1024;

const send = (name, input = {}) => client.send(new s3[`${name}Command`]({ Bucket: bucket, ...input }));
const md5 = (bytes) => createHash("md5").update(bytes).digest("hex");
const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
const read = async (input) => Buffer.from(await (await send("GetObject", input)).Body.transformToByteArray());
const refused = (name, input, error) => assert.rejects(send(name, input), (found) => assert.equal(found.name, error) === undefined);

async function everyPage(paginate, input) {
  const found = [];
  for await (const page of paginate({ client, pageSize: 5 }, { Bucket: bucket, ...input })) found.push(page);
  return found;
}

async function objects() {
  await send("CreateBucket");
  await s3.waitUntilBucketExists({ client, maxWaitTime: 10 }, { Bucket: bucket });
  assert((await client.send(new s3.ListBucketsCommand({}))).Buckets.some((found) => found.Name === bucket));
  for (const [number, Key] of KEYS.entries()) {
    const Body = Key.repeat(number);
    const put = await send("PutObject", { Key, Body, ContentType: "text/x-odd", Metadata: { number: String(number) } });
    assert.equal(put.ETag, `"${md5(Body)}"`, Key);
    assert(put.ChecksumCRC32, "the default checksum comes back");
  }
  for (const [number, Key] of KEYS.entries()) {
    assert.equal((await read({ Key })).toString(), Key.repeat(number), Key);
    const head = await send("HeadObject", { Key });
    assert.deepEqual([head.ContentType, head.Metadata.number], ["text/x-odd", String(number)], Key);
    assert(head.LastModified instanceof Date);
  }
  assert.equal((await read({ Key: "with space", Range: "bytes=1-3" })).toString(), "ith");
  const pages = await everyPage(s3.paginateListObjectsV2, {});
  assert.equal(pages.length, Math.ceil(KEYS.length / 5));
  assert.deepEqual(pages.flatMap((page) => page.Contents.map((found) => found.Key)), KEYS.toSorted(byBytes));
  const folders = await everyPage(s3.paginateListObjectsV2, { Delimiter: "/", EncodingType: "url" });
  const prefixes = folders.flatMap((page) => (page.CommonPrefixes ?? []).map((found) => decodeURIComponent(found.Prefix)));
  assert.deepEqual(prefixes, ["./", "/", "a+1/", "a/", "double/", "folder/", "up/"]);
  await send("CopyObject", { Key: "copy é+", CopySource: `${bucket}/${encodeURIComponent("plus+sign")}`, MetadataDirective: "COPY" });
  assert.equal((await read({ Key: "copy é+" })).toString(), "plus+sign".repeat(2));
  await refused("GetObject", { Key: "missing" }, "NoSuchKey");
  await refused("HeadObject", { Key: "missing" }, "NotFound");
  await refused("DeleteBucket", {}, "BucketNotEmpty");
  const told = await send("DeleteObjects", { Delete: { Objects: [...KEYS, "copy é+"].map((Key) => ({ Key })) } });
  assert.deepEqual([told.Deleted.length, told.Errors ?? []], [KEYS.length + 1, []]);
  await send("DeleteBucket");
  await refused("HeadBucket", {}, "NotFound");
}

async function transfers() {
  await send("CreateBucket");
  const body = randomBytes(20 * MIB);
  const upload = new Upload({ client, params: { Bucket: bucket, Key: "big é+", Body: Readable.from(slices(body)) } });
  const done = await upload.done();
  assert.equal(done.ETag.slice(-3), '-4"');
  // Behind a front that ends TLS, the store knows nothing of it.
  assert.equal(decodeURIComponent(done.Location), `${endpoint.replace("https:", "http:")}/${bucket}/big é+`);
  assert.equal(md5(await read({ Key: "big é+" })), md5(body));
  assert.equal(md5(await read({ Key: "big é+", PartNumber: 2 })), md5(body.subarray(5 * MIB, 10 * MIB)));
  // Any stream of Node as body: the SDK sends it in aws-chunked pieces with a checksum as trailer.
  await send("PutObject", { Key: "stream", Body: Readable.from(slices(body)), ContentLength: body.length });
  assert.equal(md5(await read({ Key: "stream" })), md5(body));
  for (const ChecksumAlgorithm of ["CRC32C", "SHA256", "CRC64NVME"]) {
    const put = await send("PutObject", { Key: ChecksumAlgorithm, Body: body.subarray(0, MIB), ChecksumAlgorithm });
    const got = await send("GetObject", { Key: ChecksumAlgorithm, ChecksumMode: "ENABLED" });
    assert.equal(got[`Checksum${ChecksumAlgorithm}`], put[`Checksum${ChecksumAlgorithm}`]);
    assert.equal(md5(await got.Body.transformToByteArray()), md5(body.subarray(0, MIB)));
  }
  await refused("PutObject", { Key: "wrong", Body: "x", ChecksumSHA256: Buffer.alloc(32).toString("base64") }, "BadDigest");
  const stopped = new Upload({ client, params: { Bucket: bucket, Key: "stopped", Body: Readable.from(slices(body)) } });
  stopped.on("httpUploadProgress", () => stopped.abort());
  await assert.rejects(stopped.done(), { name: "AbortError" });
  await refused("HeadObject", { Key: "stopped" }, "NotFound");
}

function* slices(body) {
  for (let at = 0; at < body.length; at += 100_000) yield body.subarray(at, at + 100_000);
}

async function versions() {
  await send("CreateBucket");
  await send("PutBucketVersioning", { VersioningConfiguration: { Status: "Enabled" } });
  const old = await send("PutObject", { Key: "k", Body: "old" });
  const now = await send("PutObject", { Key: "k", Body: "new" });
  const gone = await send("DeleteObject", { Key: "k" });
  assert.equal(gone.DeleteMarker, true);
  const listed = await send("ListObjectVersions");
  assert.deepEqual(listed.Versions.map((found) => found.VersionId), [now.VersionId, old.VersionId]);
  assert.equal(listed.DeleteMarkers[0].VersionId, gone.VersionId);
  assert.equal((await read({ Key: "k", VersionId: old.VersionId })).toString(), "old");
  await send("DeleteObject", { Key: "k", VersionId: gone.VersionId });
  assert.equal((await read({ Key: "k" })).toString(), "new");
}

async function conditions() {
  await send("CreateBucket");
  const first = await send("PutObject", { Key: "k", Body: "1", IfNoneMatch: "*" });
  await refused("PutObject", { Key: "k", Body: "2", IfNoneMatch: "*" }, "PreconditionFailed");
  await send("PutObject", { Key: "k", Body: "2", IfMatch: first.ETag });
  await refused("PutObject", { Key: "k", Body: "3", IfMatch: first.ETag }, "PreconditionFailed");
  await refused("GetObject", { Key: "k", IfMatch: first.ETag }, "PreconditionFailed");
  await send("PutObjectTagging", { Key: "k", Tagging: { TagSet: [{ Key: "colour", Value: "blue é" }] } });
  assert.deepEqual((await send("GetObjectTagging", { Key: "k" })).TagSet, [{ Key: "colour", Value: "blue é" }]);
}

async function presigned() {
  await send("CreateBucket");
  const Key = "a b+ü/€";
  const sign = (name, input, options) => getSignedUrl(client, new s3[`${name}Command`]({ Bucket: bucket, Key, ...input }), options);
  const put = await fetch(await sign("PutObject", { ContentType: "text/plain" }), { method: "PUT", body: "signed", headers: { "content-type": "text/plain" } });
  assert.equal(put.status, 200, await put.text());
  const got = await fetch(await sign("GetObject", { ResponseContentDisposition: 'attachment; filename="x y"' }, { expiresIn: 60 }));
  assert.deepEqual([got.status, await got.text()], [200, "signed"]);
  assert.equal(got.headers.get("content-disposition"), 'attachment; filename="x y"');
  const spoilt = await fetch(`${await sign("GetObject")}0`);
  assert.equal(spoilt.status, 403);
  const { UploadId } = await send("CreateMultipartUpload", { Key });
  const part = await fetch(await sign("UploadPart", { UploadId, PartNumber: 1 }), { method: "PUT", body: "part" });
  assert.equal(part.headers.get("etag"), `"${md5("part")}"`);
  const Parts = [{ PartNumber: 1, ETag: part.headers.get("etag") }];
  await send("CompleteMultipartUpload", { Key, UploadId, MultipartUpload: { Parts } });
  assert.equal((await read({ Key })).toString(), "part");
}

await { objects, transfers, versions, conditions, presigned }[step]();
