// minio-js with default settings. Usage: with_minio.mjs STEP ENDPOINT BUCKET; a step is a function of this file.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import * as minio from "minio";

const [step, endpoint, bucket] = process.argv.slice(2);
const { hostname, port } = new URL(endpoint);
const client = new minio.Client({
  ...{ endPoint: hostname, port: Number(port), useSSL: false },
  ...{ accessKey: process.env.AWS_ACCESS_KEY_ID, secretKey: process.env.AWS_SECRET_ACCESS_KEY },
});
// Without dot segments, "//" and a leading slash: it refuses or changes such names itself.
const KEYS = [
  ...["plain", "with space", "plus+sign", "percent%20literal", "a&b=c;d@e,f?g#h", "ünïcode-€-日本-😀"],
  ...["folder/", "a", "a/b", "a+1/b", "k".repeat(1000), "quote\"'<>\\^`{|}~*()!"],
];
const BIG_BYTES = 70 * 1024 * 1024; // above 64 MiB, its size of a part

const md5 = (bytes) => createHash("md5").update(bytes).digest("hex");
const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
const refused = (promise, code) => assert.rejects(promise, (error) => assert.equal(error.code, code) === undefined);
const collect = async (stream) => { const all = []; for await (const one of stream) all.push(one); return all; };
const read = async (...wanted) => Buffer.concat(await collect(await client.getObject(bucket, ...wanted)));

async function objects() {
  await client.makeBucket(bucket);
  assert(await client.bucketExists(bucket));
  assert((await client.listBuckets()).some((found) => found.name === bucket));
  for (const [number, key] of KEYS.entries()) {
    const body = Buffer.from(key.repeat(number));
    const put = await client.putObject(bucket, key, body, body.length, { "Content-Type": "text/x-odd", number: String(number) });
    assert.equal(put.etag, md5(body), key);
  }
  for (const [number, key] of KEYS.entries()) {
    assert.equal((await read(key)).toString(), key.repeat(number), key);
    const found = await client.statObject(bucket, key);
    assert.deepEqual([found.metaData["content-type"], found.metaData.number], ["text/x-odd", String(number)], key);
  }
  const part = await collect(await client.getPartialObject(bucket, "with space", 1, 3));
  assert.equal(Buffer.concat(part).toString(), "ith");
  const expected = KEYS.toSorted(byBytes);
  for (const list of ["listObjects", "listObjectsV2"]) {
    assert.deepEqual((await collect(client[list](bucket, "", true))).map((found) => found.name), expected, list);
    const folders = (await collect(client[list](bucket, ""))).filter((found) => found.prefix).map((found) => found.prefix);
    assert.deepEqual(folders.toSorted(), ["a+1/", "a/", "folder/"], list);
  }
  await client.copyObject(bucket, "copy é+", `/${bucket}/plus+sign`, new minio.CopyConditions());
  assert.equal((await read("copy é+")).toString(), "plus+sign".repeat(2));
  await refused(client.getObject(bucket, "missing"), "NoSuchKey");
  await refused(client.statObject(bucket, "missing"), "NotFound");
  await refused(client.removeBucket(bucket), "BucketNotEmpty");
  await client.removeObjects(bucket, [...KEYS, "copy é+"]);
  assert.deepEqual(await collect(client.listObjectsV2(bucket, "", true)), []);
  await client.removeBucket(bucket);
  assert.equal(await client.bucketExists(bucket), false);
}

async function transfers() {
  await client.makeBucket(bucket);
  const body = randomBytes(BIG_BYTES);
  const put = await client.putObject(bucket, "big", Readable.from(slices(body)), body.length);
  assert.equal(put.etag.slice(-2), "-2");
  assert.equal(md5(await read("big")), md5(body));
  // A stream of unknown length.
  await client.putObject(bucket, "stream", Readable.from(slices(body.subarray(0, 1_000_000))));
  assert.equal(md5(await read("stream")), md5(body.subarray(0, 1_000_000)));
  const sources = ["big", "stream"].map((Object) => new minio.CopySourceOptions({ Bucket: bucket, Object }));
  await client.composeObject(new minio.CopyDestinationOptions({ Bucket: bucket, Object: "both" }), sources);
  assert.equal(md5(await read("both")), md5(Buffer.concat([body, body.subarray(0, 1_000_000)])));
  await client.initiateNewMultipartUpload(bucket, "stopped", {});
  const uploads = await collect(client.listIncompleteUploads(bucket, "", true));
  assert.deepEqual(uploads.map((found) => found.key), ["stopped"]);
  await client.removeIncompleteUpload(bucket, "stopped");
  assert.deepEqual(await collect(client.listIncompleteUploads(bucket, "", true)), []);
}

function* slices(body) {
  for (let at = 0; at < body.length; at += 100_000) yield body.subarray(at, at + 100_000);
}

async function versions() {
  await client.makeBucket(bucket);
  await client.setBucketVersioning(bucket, { Status: "Enabled" });
  assert.equal((await client.getBucketVersioning(bucket)).Status, "Enabled");
  const [old, now] = [await client.putObject(bucket, "k", "old"), await client.putObject(bucket, "k", "new")];
  await client.removeObject(bucket, "k");
  const listed = await collect(client.listObjects(bucket, "", true, { IncludeVersion: true }));
  const ids = listed.filter((found) => !found.isDeleteMarker).map((found) => found.versionId);
  assert.deepEqual(ids, [now.versionId, old.versionId]);
  assert.equal((await read("k", { versionId: old.versionId })).toString(), "old");
  await client.setObjectTagging(bucket, "k", { colour: "blue" }, { versionId: old.versionId });
  assert.deepEqual(await client.getObjectTagging(bucket, "k", { versionId: old.versionId }), [{ Key: "colour", Value: "blue" }]);
  await client.removeObjects(bucket, listed.map((found) => ({ name: found.name, versionId: found.versionId })));
  await client.removeBucket(bucket);
}

async function presigned() {
  await client.makeBucket(bucket);
  const key = "a b+ü/€";
  const put = await fetch(await client.presignedPutObject(bucket, key), { method: "PUT", body: "signed" });
  assert.equal(put.status, 200, await put.text());
  const got = await fetch(await client.presignedGetObject(bucket, key, 60));
  assert.deepEqual([got.status, await got.text()], [200, "signed"]);
}

async function posted() {
  await client.makeBucket(bucket);
  const policy = client.newPostPolicy();
  policy.setBucket(bucket);
  policy.setKey("a b+ü");
  policy.setContentLengthRange(1, 100);
  policy.setExpires(new Date(Date.now() + 60_000));
  const { postURL, formData } = await client.presignedPostPolicy(policy);
  const form = new FormData();
  for (const [name, value] of Object.entries(formData)) form.append(name, value);
  form.append("file", new Blob(["posted"]));
  const answer = await fetch(postURL, { method: "POST", body: form });
  assert.equal(answer.status, 204, await answer.text());
  assert.equal((await read("a b+ü")).toString(), "posted");
}

await { objects, transfers, versions, presigned, posted }[step]();
