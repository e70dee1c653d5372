// AWS SDK for Go v2 with default settings. Usage: with_go STEP ENDPOINT BUCKET; a step is a function of this file.
// UsePathStyle, unless the store is the HTTP proxy: no DNS knows BUCKET.127.0.0.1.
package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

const mib = 1 << 20

var (
	ctx    = context.Background()
	client *s3.Client
	bucket *string
	keys   = []string{
		"plain", "with space", "plus+sign", "percent%20literal", "a&b=c;d@e,f?g#h", "ünïcode-€-日本-😀", "folder/", "a", "a/b", "a+1/b",
		"./dot", "up/../x", "/leading", "double//slash", strings.Repeat("k", 1000), "quote\"'<>\\^`{|}~*()!",
	}
)

func main() {
	settings := try(config.LoadDefaultConfig(ctx))
	client = s3.NewFromConfig(settings, func(options *s3.Options) {
		options.BaseEndpoint = aws.String(os.Args[2])
		options.UsePathStyle = os.Getenv("HTTP_PROXY") == ""
	})
	bucket = aws.String(os.Args[3])
	steps := map[string]func(){
		"objects": objects, "transfers": transfers, "versions": versions, "conditions": conditions, "presigned": presigned,
	}
	steps[os.Args[1]]()
}

func try[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func equal(found, expected any, about ...any) {
	if !reflect.DeepEqual(found, expected) {
		panic(fmt.Sprintf("%v: %v, not %v", about, found, expected))
	}
}

func refused(code string, err error) {
	var fault smithy.APIError
	if !errors.As(err, &fault) {
		panic(fmt.Sprintf("%s expected, not %v", code, err))
	}
	equal(fault.ErrorCode(), code)
}

func random(size int) []byte {
	body := make([]byte, size)
	rand.New(rand.NewSource(int64(size))).Read(body)
	return body
}

func etag(body []byte) string { return fmt.Sprintf(`"%x"`, md5.Sum(body)) }

func read(key, version *string) []byte {
	got := try(client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, VersionId: version}))
	defer got.Body.Close()
	return try(io.ReadAll(got.Body))
}

func put(key, body string) *s3.PutObjectOutput {
	return try(client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader(body)}))
}

func makeBucket() { try(client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})) }

func objects() {
	makeBucket()
	for number, key := range keys {
		body := strings.Repeat(key, number)
		answer := try(client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: bucket, Key: &key, Body: strings.NewReader(body), ContentType: aws.String("text/x-odd"),
			Metadata: map[string]string{"number": strconv.Itoa(number)},
		}))
		equal(*answer.ETag, etag([]byte(body)), key)
		equal(answer.ChecksumCRC32 != nil, true, "the default checksum comes back")
	}
	for number, key := range keys {
		equal(string(read(&key, nil)), strings.Repeat(key, number), key)
		head := try(client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: &key}))
		equal([]string{*head.ContentType, head.Metadata["number"]}, []string{"text/x-odd", strconv.Itoa(number)}, key)
	}
	var listed, folders []string
	for pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket, MaxKeys: aws.Int32(5)}); pages.HasMorePages(); {
		for _, found := range try(pages.NextPage(ctx)).Contents {
			listed = append(listed, *found.Key)
		}
	}
	sort.Strings(keys)
	equal(listed, keys)
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket, Delimiter: aws.String("/"), MaxKeys: aws.Int32(3)})
	for pages.HasMorePages() {
		for _, found := range try(pages.NextPage(ctx)).CommonPrefixes {
			folders = append(folders, *found.Prefix)
		}
	}
	equal(folders, []string{"./", "/", "a+1/", "a/", "double/", "folder/", "up/"})
	source := *bucket + "/" + url.QueryEscape("plus+sign")
	try(client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("copy é+"), CopySource: &source}))
	equal(string(read(aws.String("copy é+"), nil)), strings.Repeat("plus+sign", 2))
	missing := aws.String("missing")
	_, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: missing})
	refused("NoSuchKey", err)
	_, err = client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: missing})
	refused("NotFound", err)
	_, err = client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
	refused("BucketNotEmpty", err)
	var doomed []types.ObjectIdentifier
	for _, key := range append(keys, "copy é+") {
		doomed = append(doomed, types.ObjectIdentifier{Key: &key})
	}
	told := try(client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: doomed}}))
	equal([]int{len(told.Deleted), len(told.Errors)}, []int{len(doomed), 0})
	try(client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket}))
}

type unseekable struct{ io.Reader }

func transfers() {
	makeBucket()
	body, key := random(20*mib), aws.String("big é+")
	done := try(manager.NewUploader(client).Upload(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: unseekable{bytes.NewReader(body)}}))
	equal(strings.HasSuffix(*done.ETag, `-4"`), true, *done.ETag)
	buffer := manager.NewWriteAtBuffer(nil)
	equal(try(manager.NewDownloader(client).Download(ctx, buffer, &s3.GetObjectInput{Bucket: bucket, Key: key})), int64(len(body)))
	equal(bytes.Equal(buffer.Bytes(), body), true, "download in parts")
	for _, algorithm := range []types.ChecksumAlgorithm{"CRC32C", "SHA256", "CRC64NVME"} {
		try(client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: bucket, Key: aws.String("sums"), Body: bytes.NewReader(body[:mib]), ChecksumAlgorithm: algorithm,
		}))
		equal(bytes.Equal(read(aws.String("sums"), nil), body[:mib]), true, algorithm) // the SDK verifies the checksum that comes back
	}
	_, err := client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: bucket, Key: aws.String("wrong"), Body: strings.NewReader("x"), ChecksumSHA256: aws.String(strings.Repeat("A", 43) + "="),
	})
	refused("BadDigest", err)
	source := unseekable{io.MultiReader(bytes.NewReader(body), broken{})}
	_, err = manager.NewUploader(client).Upload(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("stopped"), Body: source})
	equal(errors.Is(err, io.ErrUnexpectedEOF), true, "an upload whose source breaks")
	uploads := try(client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: bucket}))
	equal(len(uploads.Uploads), 0, "the uploader aborts")
	_, err = client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("stopped")})
	refused("NotFound", err)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func versions() {
	makeBucket()
	try(client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	}))
	key, old, now := aws.String("k"), put("k", "old"), put("k", "new")
	gone := try(client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key}))
	equal(*gone.DeleteMarker, true)
	listed := try(client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: bucket}))
	equal([]string{*listed.Versions[0].VersionId, *listed.Versions[1].VersionId}, []string{*now.VersionId, *old.VersionId})
	equal(*listed.DeleteMarkers[0].VersionId, *gone.VersionId)
	equal(string(read(key, old.VersionId)), "old")
	try(client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key, VersionId: gone.VersionId}))
	equal(string(read(key, nil)), "new")
}

func conditions() {
	makeBucket()
	key, star := aws.String("k"), aws.String("*")
	write := func(match, noneMatch *string) (*s3.PutObjectOutput, error) {
		return client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: bucket, Key: key, Body: strings.NewReader(time.Now().String()), IfMatch: match, IfNoneMatch: noneMatch,
		})
	}
	first := try(write(nil, star))
	_, err := write(nil, star)
	refused("PreconditionFailed", err)
	try(write(first.ETag, nil))
	_, err = write(first.ETag, nil)
	refused("PreconditionFailed", err)
	tags := []types.Tag{{Key: aws.String("colour"), Value: aws.String("blue é")}}
	try(client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: bucket, Key: key, Tagging: &types.Tagging{TagSet: tags}}))
	told := try(client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: bucket, Key: key}))
	equal(*told.TagSet[0].Value, "blue é")
}

func presigned() {
	makeBucket()
	signer, key := s3.NewPresignClient(client), aws.String("a b+ü/€")
	send := func(method, address string, headers http.Header, body string) (int, string) {
		request := try(http.NewRequest(method, address, strings.NewReader(body)))
		for name, values := range headers {
			request.Header[name] = values
		}
		answer := try(http.DefaultClient.Do(request))
		defer answer.Body.Close()
		return answer.StatusCode, string(try(io.ReadAll(answer.Body)))
	}
	signed := try(signer.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key}))
	status, text := send(signed.Method, signed.URL, signed.SignedHeader, "signed")
	equal(status, 200, text)
	signed = try(signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key}, s3.WithPresignExpires(time.Minute)))
	status, text = send(signed.Method, signed.URL, nil, "")
	equal([]any{status, text}, []any{200, "signed"})
	status, _ = send(signed.Method, signed.URL+"0", nil, "")
	equal(status, 403)
	post := try(signer.PresignPostObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key}))
	equal(post.Values["key"], *key)
}
