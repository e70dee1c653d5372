"""What S3's requests carry. Written by scripts/generate_s3_model.py from botocore's model (Apache-2.0): do not edit."""

from __future__ import annotations

import msgspec


class AbacStatus(msgspec.Struct, kw_only=True):
    status: str | None = None


class AbortIncompleteMultipartUpload(msgspec.Struct, kw_only=True):
    days_after_initiation: int | None = None


class AbortMultipartUploadInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    upload_id: str | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None
    if_match_initiated_time: int | None = None


class AccelerateConfiguration(msgspec.Struct, kw_only=True):
    status: str | None = None


class AccessControlPolicy(msgspec.Struct, kw_only=True):
    owner: Owner | None = None
    grants: list[Grant] | None = None


class AccessControlTranslation(msgspec.Struct, kw_only=True):
    owner: str | None = None


class AnalyticsAndOperator(msgspec.Struct, kw_only=True):
    prefix: str | None = None
    tags: list[Tag] | None = None


class AnalyticsConfiguration(msgspec.Struct, kw_only=True):
    id: str | None = None
    filter: AnalyticsFilter | None = None
    storage_class_analysis: StorageClassAnalysis | None = None


class AnalyticsExportDestination(msgspec.Struct, kw_only=True):
    s3_bucket_destination: AnalyticsS3BucketDestination | None = None


class AnalyticsFilter(msgspec.Struct, kw_only=True):
    prefix: str | None = None
    tag: Tag | None = None
    and_: AnalyticsAndOperator | None = None


class AnalyticsS3BucketDestination(msgspec.Struct, kw_only=True):
    format: str | None = None
    bucket_account_id: str | None = None
    bucket: str | None = None
    prefix: str | None = None


class AnnotationTableConfiguration(msgspec.Struct, kw_only=True):
    configuration_state: str | None = None
    encryption_configuration: MetadataTableEncryptionConfiguration | None = None
    role: str | None = None


class AnnotationTableConfigurationUpdates(msgspec.Struct, kw_only=True):
    configuration_state: str | None = None
    encryption_configuration: MetadataTableEncryptionConfiguration | None = None
    role: str | None = None


class BlockedEncryptionTypes(msgspec.Struct, kw_only=True):
    encryption_type: list[str] | None = None


class BucketInfo(msgspec.Struct, kw_only=True):
    data_redundancy: str | None = None
    type: str | None = None


class BucketLifecycleConfiguration(msgspec.Struct, kw_only=True):
    rules: list[LifecycleRule] | None = None


class BucketLoggingStatus(msgspec.Struct, kw_only=True):
    logging_enabled: LoggingEnabled | None = None


class CORSConfiguration(msgspec.Struct, kw_only=True):
    cors_rules: list[CORSRule] | None = None


class CORSRule(msgspec.Struct, kw_only=True):
    id: str | None = None
    allowed_headers: list[str] | None = None
    allowed_methods: list[str] | None = None
    allowed_origins: list[str] | None = None
    expose_headers: list[str] | None = None
    max_age_seconds: int | None = None


class CSVInput(msgspec.Struct, kw_only=True):
    file_header_info: str | None = None
    comments: str | None = None
    quote_escape_character: str | None = None
    record_delimiter: str | None = None
    field_delimiter: str | None = None
    quote_character: str | None = None
    allow_quoted_record_delimiter: bool | None = None


class CSVOutput(msgspec.Struct, kw_only=True):
    quote_fields: str | None = None
    quote_escape_character: str | None = None
    record_delimiter: str | None = None
    field_delimiter: str | None = None
    quote_character: str | None = None


class CloudFunctionConfiguration(msgspec.Struct, kw_only=True):
    id: str | None = None
    events: list[str] | None = None
    cloud_function: str | None = None
    invocation_role: str | None = None


class CompleteMultipartUploadInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    multipart_upload: CompletedMultipartUpload | None = None
    upload_id: str | None = None
    checksum_crc32: str | None = None
    checksum_crc32_c: str | None = None
    checksum_crc64_nvme: str | None = None
    checksum_sha1: str | None = None
    checksum_sha256: str | None = None
    checksum_sha512: str | None = None
    checksum_md5: str | None = None
    checksum_xxhash64: str | None = None
    checksum_xxhash3: str | None = None
    checksum_xxhash128: str | None = None
    checksum_type: str | None = None
    mpu_object_size: int | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key: str | None = None
    sse_customer_key_md5: str | None = None


class CompletedMultipartUpload(msgspec.Struct, kw_only=True):
    parts: list[CompletedPart] | None = None


class CompletedPart(msgspec.Struct, kw_only=True):
    e_tag: str | None = None
    checksum_crc32: str | None = None
    checksum_crc32_c: str | None = None
    checksum_crc64_nvme: str | None = None
    checksum_sha1: str | None = None
    checksum_sha256: str | None = None
    checksum_sha512: str | None = None
    checksum_md5: str | None = None
    checksum_xxhash64: str | None = None
    checksum_xxhash3: str | None = None
    checksum_xxhash128: str | None = None
    part_number: int | None = None


class Condition(msgspec.Struct, kw_only=True):
    http_error_code_returned_equals: str | None = None
    key_prefix_equals: str | None = None


class CopyObjectInput(msgspec.Struct, kw_only=True):
    acl: str | None = None
    bucket: str | None = None
    cache_control: str | None = None
    checksum_algorithm: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    content_type: str | None = None
    copy_source: str | None = None
    copy_source_if_match: str | None = None
    copy_source_if_modified_since: int | None = None
    copy_source_if_none_match: str | None = None
    copy_source_if_unmodified_since: int | None = None
    expires: str | None = None
    grant_full_control: str | None = None
    grant_read: str | None = None
    grant_read_acp: str | None = None
    grant_write_acp: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    key: str | None = None
    metadata: dict[str, str] | None = None
    metadata_directive: str | None = None
    tagging_directive: str | None = None
    annotation_directive: str | None = None
    server_side_encryption: str | None = None
    storage_class: str | None = None
    website_redirect_location: str | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key: str | None = None
    sse_customer_key_md5: str | None = None
    ssekms_key_id: str | None = None
    ssekms_encryption_context: str | None = None
    bucket_key_enabled: bool | None = None
    copy_source_sse_customer_algorithm: str | None = None
    copy_source_sse_customer_key: str | None = None
    copy_source_sse_customer_key_md5: str | None = None
    request_payer: str | None = None
    tagging: str | None = None
    object_lock_mode: str | None = None
    object_lock_retain_until_date: int | None = None
    object_lock_legal_hold_status: str | None = None
    object_lock_event_hold: str | None = None
    object_lock_event_hold_duration_days: int | None = None
    object_lock_event_hold_duration_years: int | None = None
    expected_bucket_owner: str | None = None
    expected_source_bucket_owner: str | None = None


class CreateBucketConfiguration(msgspec.Struct, kw_only=True):
    location_constraint: str | None = None
    location: LocationInfo | None = None
    bucket: BucketInfo | None = None
    tags: list[Tag] | None = None


class CreateBucketInput(msgspec.Struct, kw_only=True):
    acl: str | None = None
    bucket: str | None = None
    create_bucket_configuration: CreateBucketConfiguration | None = None
    grant_full_control: str | None = None
    grant_read: str | None = None
    grant_read_acp: str | None = None
    grant_write: str | None = None
    grant_write_acp: str | None = None
    object_lock_enabled_for_bucket: bool | None = None
    object_ownership: str | None = None
    bucket_namespace: str | None = None


class CreateBucketMetadataConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    metadata_configuration: MetadataConfiguration | None = None
    expected_bucket_owner: str | None = None


class CreateBucketMetadataTableConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    metadata_table_configuration: MetadataTableConfiguration | None = None
    expected_bucket_owner: str | None = None


class CreateMultipartUploadInput(msgspec.Struct, kw_only=True):
    acl: str | None = None
    bucket: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    content_type: str | None = None
    expires: str | None = None
    grant_full_control: str | None = None
    grant_read: str | None = None
    grant_read_acp: str | None = None
    grant_write_acp: str | None = None
    key: str | None = None
    metadata: dict[str, str] | None = None
    server_side_encryption: str | None = None
    storage_class: str | None = None
    website_redirect_location: str | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key: str | None = None
    sse_customer_key_md5: str | None = None
    ssekms_key_id: str | None = None
    ssekms_encryption_context: str | None = None
    bucket_key_enabled: bool | None = None
    request_payer: str | None = None
    tagging: str | None = None
    object_lock_mode: str | None = None
    object_lock_retain_until_date: int | None = None
    object_lock_legal_hold_status: str | None = None
    object_lock_event_hold: str | None = None
    object_lock_event_hold_duration_days: int | None = None
    object_lock_event_hold_duration_years: int | None = None
    expected_bucket_owner: str | None = None
    checksum_algorithm: str | None = None
    checksum_type: str | None = None


class CreateSessionInput(msgspec.Struct, kw_only=True):
    session_mode: str | None = None
    bucket: str | None = None
    server_side_encryption: str | None = None
    ssekms_key_id: str | None = None
    ssekms_encryption_context: str | None = None
    bucket_key_enabled: bool | None = None


class DefaultRetention(msgspec.Struct, kw_only=True):
    mode: str | None = None
    days: int | None = None
    years: int | None = None
    default_event_hold: EventHoldDuration | None = None


class Delete(msgspec.Struct, kw_only=True):
    objects: list[ObjectIdentifier] | None = None
    quiet: bool | None = None


class DeleteBucketAnalyticsConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    id: str | None = None
    expected_bucket_owner: str | None = None


class DeleteBucketCorsInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class DeleteBucketEncryptionInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class DeleteBucketInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class DeleteBucketIntelligentTieringConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    id: str | None = None
    expected_bucket_owner: str | None = None


class DeleteBucketInventoryConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    id: str | None = None
    expected_bucket_owner: str | None = None


class DeleteBucketLifecycleInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class DeleteBucketMetadataConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class DeleteBucketMetadataTableConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class DeleteBucketMetricsConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    id: str | None = None
    expected_bucket_owner: str | None = None


class DeleteBucketOwnershipControlsInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class DeleteBucketPolicyInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class DeleteBucketReplicationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class DeleteBucketTaggingInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class DeleteBucketWebsiteInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class DeleteMarkerReplication(msgspec.Struct, kw_only=True):
    status: str | None = None


class DeleteObjectAnnotationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    annotation_name: str | None = None
    version_id: str | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None
    object_if_match: str | None = None


class DeleteObjectInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    mfa: str | None = None
    version_id: str | None = None
    request_payer: str | None = None
    bypass_governance_retention: bool | None = None
    expected_bucket_owner: str | None = None
    if_match: str | None = None
    if_match_last_modified_time: int | None = None
    if_match_size: int | None = None


class DeleteObjectTaggingInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    expected_bucket_owner: str | None = None


class DeleteObjectsInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    delete: Delete | None = None
    mfa: str | None = None
    request_payer: str | None = None
    bypass_governance_retention: bool | None = None
    expected_bucket_owner: str | None = None
    checksum_algorithm: str | None = None


class DeletePublicAccessBlockInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class Destination(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    account: str | None = None
    storage_class: str | None = None
    access_control_translation: AccessControlTranslation | None = None
    encryption_configuration: EncryptionConfiguration | None = None
    replication_time: ReplicationTime | None = None
    metrics: Metrics | None = None


class Encryption(msgspec.Struct, kw_only=True):
    encryption_type: str | None = None
    kms_key_id: str | None = None
    kms_context: str | None = None


class EncryptionConfiguration(msgspec.Struct, kw_only=True):
    replica_kms_key_id: str | None = None
    use_source_multi_region_key: UseSourceMultiRegionKey | None = None


class ErrorDocument(msgspec.Struct, kw_only=True):
    key: str | None = None


class EventBridgeConfiguration(msgspec.Struct, kw_only=True):
    pass


class EventHoldDuration(msgspec.Struct, kw_only=True):
    days: int | None = None
    years: int | None = None


class ExistingObjectReplication(msgspec.Struct, kw_only=True):
    status: str | None = None


class FilterRule(msgspec.Struct, kw_only=True):
    name: str | None = None
    value: str | None = None


class GetBucketAbacInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketAccelerateConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None
    request_payer: str | None = None


class GetBucketAclInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketAnalyticsConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    id: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketCorsInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketEncryptionInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketIntelligentTieringConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    id: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketInventoryConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    id: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketLifecycleConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketLifecycleInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketLocationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketLoggingInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketMetadataConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketMetadataTableConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketMetricsConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    id: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketNotificationConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketNotificationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketOwnershipControlsInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketPolicyInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketPolicyStatusInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketReplicationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketRequestPaymentInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketTaggingInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketVersioningInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetBucketWebsiteInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetObjectAclInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None


class GetObjectAnnotationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    annotation_name: str | None = None
    version_id: str | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None
    checksum_mode: str | None = None


class GetObjectAttributesInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    max_parts: int | None = None
    part_number_marker: int | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key: str | None = None
    sse_customer_key_md5: str | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None
    object_attributes: list[str] | None = None


class GetObjectInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    if_match: str | None = None
    if_modified_since: int | None = None
    if_none_match: str | None = None
    if_unmodified_since: int | None = None
    key: str | None = None
    range: str | None = None
    response_cache_control: str | None = None
    response_content_disposition: str | None = None
    response_content_encoding: str | None = None
    response_content_language: str | None = None
    response_content_type: str | None = None
    response_expires: str | None = None
    version_id: str | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key: str | None = None
    sse_customer_key_md5: str | None = None
    request_payer: str | None = None
    part_number: int | None = None
    expected_bucket_owner: str | None = None
    checksum_mode: str | None = None


class GetObjectLegalHoldInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None


class GetObjectLockConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GetObjectRetentionInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None


class GetObjectTaggingInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    expected_bucket_owner: str | None = None
    request_payer: str | None = None


class GetObjectTorrentInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None


class GetPublicAccessBlockInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class GlacierJobParameters(msgspec.Struct, kw_only=True):
    tier: str | None = None


class Grant(msgspec.Struct, kw_only=True):
    grantee: Grantee | None = None
    permission: str | None = None


class Grantee(msgspec.Struct, kw_only=True):
    id: str | None = None
    display_name: str | None = None
    email_address: str | None = None
    uri: str | None = None
    type: str | None = None


class HeadBucketInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    expected_bucket_owner: str | None = None


class HeadObjectInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    if_match: str | None = None
    if_modified_since: int | None = None
    if_none_match: str | None = None
    if_unmodified_since: int | None = None
    key: str | None = None
    range: str | None = None
    response_cache_control: str | None = None
    response_content_disposition: str | None = None
    response_content_encoding: str | None = None
    response_content_language: str | None = None
    response_content_type: str | None = None
    response_expires: str | None = None
    version_id: str | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key: str | None = None
    sse_customer_key_md5: str | None = None
    request_payer: str | None = None
    part_number: int | None = None
    expected_bucket_owner: str | None = None
    checksum_mode: str | None = None


class IndexDocument(msgspec.Struct, kw_only=True):
    suffix: str | None = None


class InputSerialization(msgspec.Struct, kw_only=True):
    csv: CSVInput | None = None
    compression_type: str | None = None
    json: JSONInput | None = None
    parquet: ParquetInput | None = None


class IntelligentTieringAndOperator(msgspec.Struct, kw_only=True):
    prefix: str | None = None
    tags: list[Tag] | None = None


class IntelligentTieringConfiguration(msgspec.Struct, kw_only=True):
    id: str | None = None
    filter: IntelligentTieringFilter | None = None
    status: str | None = None
    tierings: list[Tiering] | None = None


class IntelligentTieringFilter(msgspec.Struct, kw_only=True):
    prefix: str | None = None
    tag: Tag | None = None
    and_: IntelligentTieringAndOperator | None = None


class InventoryConfiguration(msgspec.Struct, kw_only=True):
    destination: InventoryDestination | None = None
    is_enabled: bool | None = None
    filter: InventoryFilter | None = None
    id: str | None = None
    included_object_versions: str | None = None
    optional_fields: list[str] | None = None
    schedule: InventorySchedule | None = None


class InventoryDestination(msgspec.Struct, kw_only=True):
    s3_bucket_destination: InventoryS3BucketDestination | None = None


class InventoryEncryption(msgspec.Struct, kw_only=True):
    sses3: SSES3 | None = None
    ssekms: SSEKMS | None = None


class InventoryFilter(msgspec.Struct, kw_only=True):
    prefix: str | None = None


class InventoryS3BucketDestination(msgspec.Struct, kw_only=True):
    account_id: str | None = None
    bucket: str | None = None
    format: str | None = None
    prefix: str | None = None
    encryption: InventoryEncryption | None = None


class InventorySchedule(msgspec.Struct, kw_only=True):
    frequency: str | None = None


class InventoryTableConfiguration(msgspec.Struct, kw_only=True):
    configuration_state: str | None = None
    encryption_configuration: MetadataTableEncryptionConfiguration | None = None


class InventoryTableConfigurationUpdates(msgspec.Struct, kw_only=True):
    configuration_state: str | None = None
    encryption_configuration: MetadataTableEncryptionConfiguration | None = None


class JSONInput(msgspec.Struct, kw_only=True):
    type: str | None = None


class JSONOutput(msgspec.Struct, kw_only=True):
    record_delimiter: str | None = None


class JournalTableConfiguration(msgspec.Struct, kw_only=True):
    record_expiration: RecordExpiration | None = None
    encryption_configuration: MetadataTableEncryptionConfiguration | None = None


class JournalTableConfigurationUpdates(msgspec.Struct, kw_only=True):
    record_expiration: RecordExpiration | None = None


class LambdaFunctionConfiguration(msgspec.Struct, kw_only=True):
    id: str | None = None
    lambda_function_arn: str | None = None
    events: list[str] | None = None
    filter: NotificationConfigurationFilter | None = None


class LifecycleConfiguration(msgspec.Struct, kw_only=True):
    rules: list[Rule] | None = None


class LifecycleExpiration(msgspec.Struct, kw_only=True):
    date: int | None = None
    days: int | None = None
    expired_object_delete_marker: bool | None = None


class LifecycleRule(msgspec.Struct, kw_only=True):
    expiration: LifecycleExpiration | None = None
    id: str | None = None
    prefix: str | None = None
    filter: LifecycleRuleFilter | None = None
    status: str | None = None
    transitions: list[Transition] | None = None
    noncurrent_version_transitions: list[NoncurrentVersionTransition] | None = None
    noncurrent_version_expiration: NoncurrentVersionExpiration | None = None
    abort_incomplete_multipart_upload: AbortIncompleteMultipartUpload | None = None


class LifecycleRuleAndOperator(msgspec.Struct, kw_only=True):
    prefix: str | None = None
    tags: list[Tag] | None = None
    object_size_greater_than: int | None = None
    object_size_less_than: int | None = None


class LifecycleRuleFilter(msgspec.Struct, kw_only=True):
    prefix: str | None = None
    tag: Tag | None = None
    object_size_greater_than: int | None = None
    object_size_less_than: int | None = None
    and_: LifecycleRuleAndOperator | None = None


class ListBucketAnalyticsConfigurationsInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    continuation_token: str | None = None
    expected_bucket_owner: str | None = None


class ListBucketIntelligentTieringConfigurationsInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    continuation_token: str | None = None
    expected_bucket_owner: str | None = None


class ListBucketInventoryConfigurationsInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    continuation_token: str | None = None
    expected_bucket_owner: str | None = None


class ListBucketMetricsConfigurationsInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    continuation_token: str | None = None
    expected_bucket_owner: str | None = None


class ListBucketsInput(msgspec.Struct, kw_only=True):
    max_buckets: int | None = None
    continuation_token: str | None = None
    prefix: str | None = None
    bucket_region: str | None = None


class ListDirectoryBucketsInput(msgspec.Struct, kw_only=True):
    continuation_token: str | None = None
    max_directory_buckets: int | None = None


class ListMultipartUploadsInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    delimiter: str | None = None
    encoding_type: str | None = None
    key_marker: str | None = None
    max_uploads: int | None = None
    prefix: str | None = None
    upload_id_marker: str | None = None
    expected_bucket_owner: str | None = None
    request_payer: str | None = None


class ListObjectAnnotationsInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    max_annotation_results: int | None = None
    annotation_prefix: str | None = None
    continuation_token: str | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None


class ListObjectVersionsInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    delimiter: str | None = None
    encoding_type: str | None = None
    key_marker: str | None = None
    max_keys: int | None = None
    prefix: str | None = None
    version_id_marker: str | None = None
    expected_bucket_owner: str | None = None
    request_payer: str | None = None
    optional_object_attributes: list[str] | None = None


class ListObjectsInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    delimiter: str | None = None
    encoding_type: str | None = None
    marker: str | None = None
    max_keys: int | None = None
    prefix: str | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None
    optional_object_attributes: list[str] | None = None


class ListObjectsV2Input(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    delimiter: str | None = None
    encoding_type: str | None = None
    max_keys: int | None = None
    prefix: str | None = None
    continuation_token: str | None = None
    fetch_owner: bool | None = None
    start_after: str | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None
    optional_object_attributes: list[str] | None = None


class ListPartsInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    max_parts: int | None = None
    part_number_marker: int | None = None
    upload_id: str | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key: str | None = None
    sse_customer_key_md5: str | None = None


class LocationInfo(msgspec.Struct, kw_only=True):
    type: str | None = None
    name: str | None = None


class LoggingEnabled(msgspec.Struct, kw_only=True):
    target_bucket: str | None = None
    target_grants: list[TargetGrant] | None = None
    target_prefix: str | None = None
    target_object_key_format: TargetObjectKeyFormat | None = None


class MetadataConfiguration(msgspec.Struct, kw_only=True):
    journal_table_configuration: JournalTableConfiguration | None = None
    inventory_table_configuration: InventoryTableConfiguration | None = None
    annotation_table_configuration: AnnotationTableConfiguration | None = None


class MetadataEntry(msgspec.Struct, kw_only=True):
    name: str | None = None
    value: str | None = None


class MetadataTableConfiguration(msgspec.Struct, kw_only=True):
    s3_tables_destination: S3TablesDestination | None = None


class MetadataTableEncryptionConfiguration(msgspec.Struct, kw_only=True):
    sse_algorithm: str | None = None
    kms_key_arn: str | None = None


class Metrics(msgspec.Struct, kw_only=True):
    status: str | None = None
    event_threshold: ReplicationTimeValue | None = None


class MetricsAndOperator(msgspec.Struct, kw_only=True):
    prefix: str | None = None
    tags: list[Tag] | None = None
    access_point_arn: str | None = None


class MetricsConfiguration(msgspec.Struct, kw_only=True):
    id: str | None = None
    filter: MetricsFilter | None = None


class MetricsFilter(msgspec.Struct, kw_only=True):
    prefix: str | None = None
    tag: Tag | None = None
    access_point_arn: str | None = None
    and_: MetricsAndOperator | None = None


class NoncurrentVersionExpiration(msgspec.Struct, kw_only=True):
    noncurrent_days: int | None = None
    newer_noncurrent_versions: int | None = None


class NoncurrentVersionTransition(msgspec.Struct, kw_only=True):
    noncurrent_days: int | None = None
    storage_class: str | None = None
    newer_noncurrent_versions: int | None = None


class NotificationConfiguration(msgspec.Struct, kw_only=True):
    topic_configurations: list[TopicConfiguration] | None = None
    queue_configurations: list[QueueConfiguration] | None = None
    lambda_function_configurations: list[LambdaFunctionConfiguration] | None = None
    event_bridge_configuration: EventBridgeConfiguration | None = None


class NotificationConfigurationDeprecated(msgspec.Struct, kw_only=True):
    topic_configuration: TopicConfigurationDeprecated | None = None
    queue_configuration: QueueConfigurationDeprecated | None = None
    cloud_function_configuration: CloudFunctionConfiguration | None = None


class NotificationConfigurationFilter(msgspec.Struct, kw_only=True):
    key: S3KeyFilter | None = None


class ObjectEncryption(msgspec.Struct, kw_only=True):
    ssekms: SSEKMSEncryption | None = None


class ObjectIdentifier(msgspec.Struct, kw_only=True):
    key: str | None = None
    version_id: str | None = None
    e_tag: str | None = None
    last_modified_time: int | None = None
    size: int | None = None


class ObjectLockConfiguration(msgspec.Struct, kw_only=True):
    object_lock_enabled: str | None = None
    rule: ObjectLockRule | None = None


class ObjectLockLegalHold(msgspec.Struct, kw_only=True):
    status: str | None = None


class ObjectLockRetention(msgspec.Struct, kw_only=True):
    mode: str | None = None
    retain_until_date: int | None = None
    event_hold: str | None = None
    event_hold_duration: EventHoldDuration | None = None


class ObjectLockRule(msgspec.Struct, kw_only=True):
    default_retention: DefaultRetention | None = None


class OutputLocation(msgspec.Struct, kw_only=True):
    s3: S3Location | None = None


class OutputSerialization(msgspec.Struct, kw_only=True):
    csv: CSVOutput | None = None
    json: JSONOutput | None = None


class Owner(msgspec.Struct, kw_only=True):
    id: str | None = None
    display_name: str | None = None


class OwnershipControls(msgspec.Struct, kw_only=True):
    rules: list[OwnershipControlsRule] | None = None


class OwnershipControlsRule(msgspec.Struct, kw_only=True):
    object_ownership: str | None = None


class ParquetInput(msgspec.Struct, kw_only=True):
    pass


class PartitionedPrefix(msgspec.Struct, kw_only=True):
    partition_date_source: str | None = None


class PostObjectInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None


class PublicAccessBlockConfiguration(msgspec.Struct, kw_only=True):
    block_public_acls: bool | None = None
    ignore_public_acls: bool | None = None
    block_public_policy: bool | None = None
    restrict_public_buckets: bool | None = None


class PutBucketAbacInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    expected_bucket_owner: str | None = None
    abac_status: AbacStatus | None = None


class PutBucketAccelerateConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    accelerate_configuration: AccelerateConfiguration | None = None
    expected_bucket_owner: str | None = None
    checksum_algorithm: str | None = None


class PutBucketAclInput(msgspec.Struct, kw_only=True):
    acl: str | None = None
    access_control_policy: AccessControlPolicy | None = None
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    grant_full_control: str | None = None
    grant_read: str | None = None
    grant_read_acp: str | None = None
    grant_write: str | None = None
    grant_write_acp: str | None = None
    expected_bucket_owner: str | None = None


class PutBucketAnalyticsConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    id: str | None = None
    analytics_configuration: AnalyticsConfiguration | None = None
    expected_bucket_owner: str | None = None


class PutBucketCorsInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    cors_configuration: CORSConfiguration | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    expected_bucket_owner: str | None = None


class PutBucketEncryptionInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    server_side_encryption_configuration: ServerSideEncryptionConfiguration | None = None
    expected_bucket_owner: str | None = None


class PutBucketIntelligentTieringConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    id: str | None = None
    expected_bucket_owner: str | None = None
    intelligent_tiering_configuration: IntelligentTieringConfiguration | None = None


class PutBucketInventoryConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    id: str | None = None
    inventory_configuration: InventoryConfiguration | None = None
    expected_bucket_owner: str | None = None


class PutBucketLifecycleConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    checksum_algorithm: str | None = None
    lifecycle_configuration: BucketLifecycleConfiguration | None = None
    expected_bucket_owner: str | None = None
    transition_default_minimum_object_size: str | None = None


class PutBucketLifecycleInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    lifecycle_configuration: LifecycleConfiguration | None = None
    expected_bucket_owner: str | None = None


class PutBucketLoggingInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    bucket_logging_status: BucketLoggingStatus | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    expected_bucket_owner: str | None = None


class PutBucketMetricsConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    id: str | None = None
    metrics_configuration: MetricsConfiguration | None = None
    expected_bucket_owner: str | None = None


class PutBucketNotificationConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    notification_configuration: NotificationConfiguration | None = None
    expected_bucket_owner: str | None = None
    skip_destination_validation: bool | None = None


class PutBucketNotificationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    notification_configuration: NotificationConfigurationDeprecated | None = None
    expected_bucket_owner: str | None = None


class PutBucketOwnershipControlsInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    expected_bucket_owner: str | None = None
    ownership_controls: OwnershipControls | None = None
    checksum_algorithm: str | None = None


class PutBucketPolicyInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    confirm_remove_self_bucket_access: bool | None = None
    policy: str | None = None
    expected_bucket_owner: str | None = None


class PutBucketReplicationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    replication_configuration: ReplicationConfiguration | None = None
    token: str | None = None
    expected_bucket_owner: str | None = None


class PutBucketRequestPaymentInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    request_payment_configuration: RequestPaymentConfiguration | None = None
    expected_bucket_owner: str | None = None


class PutBucketTaggingInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    tagging: Tagging | None = None
    expected_bucket_owner: str | None = None


class PutBucketVersioningInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    mfa: str | None = None
    versioning_configuration: VersioningConfiguration | None = None
    expected_bucket_owner: str | None = None


class PutBucketWebsiteInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    website_configuration: WebsiteConfiguration | None = None
    expected_bucket_owner: str | None = None


class PutObjectAclInput(msgspec.Struct, kw_only=True):
    acl: str | None = None
    access_control_policy: AccessControlPolicy | None = None
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    grant_full_control: str | None = None
    grant_read: str | None = None
    grant_read_acp: str | None = None
    grant_write: str | None = None
    grant_write_acp: str | None = None
    key: str | None = None
    request_payer: str | None = None
    version_id: str | None = None
    expected_bucket_owner: str | None = None


class PutObjectAnnotationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    annotation_name: str | None = None
    object_if_match: str | None = None
    checksum_algorithm: str | None = None
    checksum_crc32: str | None = None
    checksum_crc32_c: str | None = None
    checksum_crc64_nvme: str | None = None
    checksum_sha1: str | None = None
    checksum_sha256: str | None = None
    checksum_sha512: str | None = None
    checksum_md5: str | None = None
    checksum_xxhash64: str | None = None
    checksum_xxhash3: str | None = None
    checksum_xxhash128: str | None = None
    content_md5: str | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None


class PutObjectInput(msgspec.Struct, kw_only=True):
    acl: str | None = None
    bucket: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    content_length: int | None = None
    content_md5: str | None = None
    content_type: str | None = None
    checksum_algorithm: str | None = None
    checksum_crc32: str | None = None
    checksum_crc32_c: str | None = None
    checksum_crc64_nvme: str | None = None
    checksum_sha1: str | None = None
    checksum_sha256: str | None = None
    checksum_sha512: str | None = None
    checksum_md5: str | None = None
    checksum_xxhash64: str | None = None
    checksum_xxhash3: str | None = None
    checksum_xxhash128: str | None = None
    expires: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    grant_full_control: str | None = None
    grant_read: str | None = None
    grant_read_acp: str | None = None
    grant_write_acp: str | None = None
    key: str | None = None
    write_offset_bytes: int | None = None
    metadata: dict[str, str] | None = None
    server_side_encryption: str | None = None
    storage_class: str | None = None
    website_redirect_location: str | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key: str | None = None
    sse_customer_key_md5: str | None = None
    ssekms_key_id: str | None = None
    ssekms_encryption_context: str | None = None
    bucket_key_enabled: bool | None = None
    request_payer: str | None = None
    tagging: str | None = None
    object_lock_mode: str | None = None
    object_lock_retain_until_date: int | None = None
    object_lock_legal_hold_status: str | None = None
    object_lock_event_hold: str | None = None
    object_lock_event_hold_duration_days: int | None = None
    object_lock_event_hold_duration_years: int | None = None
    expected_bucket_owner: str | None = None


class PutObjectLegalHoldInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    legal_hold: ObjectLockLegalHold | None = None
    request_payer: str | None = None
    version_id: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    expected_bucket_owner: str | None = None


class PutObjectLockConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    object_lock_configuration: ObjectLockConfiguration | None = None
    request_payer: str | None = None
    token: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    expected_bucket_owner: str | None = None


class PutObjectRetentionInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    retention: ObjectLockRetention | None = None
    request_payer: str | None = None
    version_id: str | None = None
    bypass_governance_retention: bool | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    expected_bucket_owner: str | None = None


class PutObjectTaggingInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    tagging: Tagging | None = None
    expected_bucket_owner: str | None = None
    request_payer: str | None = None


class PutPublicAccessBlockInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    public_access_block_configuration: PublicAccessBlockConfiguration | None = None
    expected_bucket_owner: str | None = None


class QueueConfiguration(msgspec.Struct, kw_only=True):
    id: str | None = None
    queue_arn: str | None = None
    events: list[str] | None = None
    filter: NotificationConfigurationFilter | None = None


class QueueConfigurationDeprecated(msgspec.Struct, kw_only=True):
    id: str | None = None
    events: list[str] | None = None
    queue: str | None = None


class RecordExpiration(msgspec.Struct, kw_only=True):
    expiration: str | None = None
    days: int | None = None


class Redirect(msgspec.Struct, kw_only=True):
    host_name: str | None = None
    http_redirect_code: str | None = None
    protocol: str | None = None
    replace_key_prefix_with: str | None = None
    replace_key_with: str | None = None


class RedirectAllRequestsTo(msgspec.Struct, kw_only=True):
    host_name: str | None = None
    protocol: str | None = None


class RenameObjectInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    rename_source: str | None = None
    destination_if_match: str | None = None
    destination_if_none_match: str | None = None
    destination_if_modified_since: int | None = None
    destination_if_unmodified_since: int | None = None
    source_if_match: str | None = None
    source_if_none_match: str | None = None
    source_if_modified_since: int | None = None
    source_if_unmodified_since: int | None = None
    client_token: str | None = None


class ReplicaModifications(msgspec.Struct, kw_only=True):
    status: str | None = None


class ReplicationConfiguration(msgspec.Struct, kw_only=True):
    role: str | None = None
    rules: list[ReplicationRule] | None = None


class ReplicationRule(msgspec.Struct, kw_only=True):
    id: str | None = None
    priority: int | None = None
    prefix: str | None = None
    filter: ReplicationRuleFilter | None = None
    status: str | None = None
    source_selection_criteria: SourceSelectionCriteria | None = None
    existing_object_replication: ExistingObjectReplication | None = None
    destination: Destination | None = None
    delete_marker_replication: DeleteMarkerReplication | None = None


class ReplicationRuleAndOperator(msgspec.Struct, kw_only=True):
    prefix: str | None = None
    tags: list[Tag] | None = None
    not_: ReplicationRuleNotOperator | None = None


class ReplicationRuleFilter(msgspec.Struct, kw_only=True):
    prefix: str | None = None
    tag: Tag | None = None
    and_: ReplicationRuleAndOperator | None = None
    not_: ReplicationRuleNotOperator | None = None


class ReplicationRuleNotOperator(msgspec.Struct, kw_only=True):
    prefix: str | None = None
    tag: Tag | None = None
    or_: ReplicationRuleOrOperator | None = None


class ReplicationRuleOrOperator(msgspec.Struct, kw_only=True):
    prefixes: list[str] | None = None
    tags: list[Tag] | None = None


class ReplicationTime(msgspec.Struct, kw_only=True):
    status: str | None = None
    time: ReplicationTimeValue | None = None


class ReplicationTimeValue(msgspec.Struct, kw_only=True):
    minutes: int | None = None


class RequestPaymentConfiguration(msgspec.Struct, kw_only=True):
    payer: str | None = None


class RequestProgress(msgspec.Struct, kw_only=True):
    enabled: bool | None = None


class RestoreObjectInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    restore_request: RestoreRequest | None = None
    request_payer: str | None = None
    checksum_algorithm: str | None = None
    expected_bucket_owner: str | None = None


class RestoreRequest(msgspec.Struct, kw_only=True):
    days: int | None = None
    glacier_job_parameters: GlacierJobParameters | None = None
    type: str | None = None
    tier: str | None = None
    description: str | None = None
    select_parameters: SelectParameters | None = None
    output_location: OutputLocation | None = None


class RoutingRule(msgspec.Struct, kw_only=True):
    condition: Condition | None = None
    redirect: Redirect | None = None


class Rule(msgspec.Struct, kw_only=True):
    expiration: LifecycleExpiration | None = None
    id: str | None = None
    prefix: str | None = None
    status: str | None = None
    transition: Transition | None = None
    noncurrent_version_transition: NoncurrentVersionTransition | None = None
    noncurrent_version_expiration: NoncurrentVersionExpiration | None = None
    abort_incomplete_multipart_upload: AbortIncompleteMultipartUpload | None = None


class S3KeyFilter(msgspec.Struct, kw_only=True):
    filter_rules: list[FilterRule] | None = None


class S3Location(msgspec.Struct, kw_only=True):
    bucket_name: str | None = None
    prefix: str | None = None
    encryption: Encryption | None = None
    canned_acl: str | None = None
    access_control_list: list[Grant] | None = None
    tagging: Tagging | None = None
    user_metadata: list[MetadataEntry] | None = None
    storage_class: str | None = None


class S3TablesDestination(msgspec.Struct, kw_only=True):
    table_bucket_arn: str | None = None
    table_name: str | None = None


class SSEKMS(msgspec.Struct, kw_only=True):
    key_id: str | None = None


class SSEKMSEncryption(msgspec.Struct, kw_only=True):
    kms_key_arn: str | None = None
    bucket_key_enabled: bool | None = None


class SSES3(msgspec.Struct, kw_only=True):
    pass


class ScanRange(msgspec.Struct, kw_only=True):
    start: int | None = None
    end: int | None = None


class SelectObjectContentInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key: str | None = None
    sse_customer_key_md5: str | None = None
    expression: str | None = None
    expression_type: str | None = None
    request_progress: RequestProgress | None = None
    input_serialization: InputSerialization | None = None
    output_serialization: OutputSerialization | None = None
    scan_range: ScanRange | None = None
    expected_bucket_owner: str | None = None


class SelectParameters(msgspec.Struct, kw_only=True):
    input_serialization: InputSerialization | None = None
    expression_type: str | None = None
    expression: str | None = None
    output_serialization: OutputSerialization | None = None


class ServerSideEncryptionByDefault(msgspec.Struct, kw_only=True):
    sse_algorithm: str | None = None
    kms_master_key_id: str | None = None


class ServerSideEncryptionConfiguration(msgspec.Struct, kw_only=True):
    rules: list[ServerSideEncryptionRule] | None = None


class ServerSideEncryptionRule(msgspec.Struct, kw_only=True):
    apply_server_side_encryption_by_default: ServerSideEncryptionByDefault | None = None
    bucket_key_enabled: bool | None = None
    blocked_encryption_types: BlockedEncryptionTypes | None = None


class SimplePrefix(msgspec.Struct, kw_only=True):
    pass


class SourceSelectionCriteria(msgspec.Struct, kw_only=True):
    sse_kms_encrypted_objects: SseKmsEncryptedObjects | None = None
    replica_modifications: ReplicaModifications | None = None


class SseKmsEncryptedObjects(msgspec.Struct, kw_only=True):
    status: str | None = None


class StorageClassAnalysis(msgspec.Struct, kw_only=True):
    data_export: StorageClassAnalysisDataExport | None = None


class StorageClassAnalysisDataExport(msgspec.Struct, kw_only=True):
    output_schema_version: str | None = None
    destination: AnalyticsExportDestination | None = None


class Tag(msgspec.Struct, kw_only=True):
    key: str | None = None
    value: str | None = None


class Tagging(msgspec.Struct, kw_only=True):
    tag_set: list[Tag] | None = None


class TargetGrant(msgspec.Struct, kw_only=True):
    grantee: Grantee | None = None
    permission: str | None = None


class TargetObjectKeyFormat(msgspec.Struct, kw_only=True):
    simple_prefix: SimplePrefix | None = None
    partitioned_prefix: PartitionedPrefix | None = None


class Tiering(msgspec.Struct, kw_only=True):
    days: int | None = None
    access_tier: str | None = None


class TopicConfiguration(msgspec.Struct, kw_only=True):
    id: str | None = None
    topic_arn: str | None = None
    events: list[str] | None = None
    filter: NotificationConfigurationFilter | None = None


class TopicConfigurationDeprecated(msgspec.Struct, kw_only=True):
    id: str | None = None
    events: list[str] | None = None
    topic: str | None = None


class Transition(msgspec.Struct, kw_only=True):
    date: int | None = None
    days: int | None = None
    storage_class: str | None = None


class UpdateBucketMetadataAnnotationTableConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    annotation_table_configuration: AnnotationTableConfigurationUpdates | None = None
    expected_bucket_owner: str | None = None


class UpdateBucketMetadataInventoryTableConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    inventory_table_configuration: InventoryTableConfigurationUpdates | None = None
    expected_bucket_owner: str | None = None


class UpdateBucketMetadataJournalTableConfigurationInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    journal_table_configuration: JournalTableConfigurationUpdates | None = None
    expected_bucket_owner: str | None = None


class UpdateObjectEncryptionInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    object_encryption: ObjectEncryption | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None


class UploadPartCopyInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    copy_source: str | None = None
    copy_source_if_match: str | None = None
    copy_source_if_modified_since: int | None = None
    copy_source_if_none_match: str | None = None
    copy_source_if_unmodified_since: int | None = None
    copy_source_range: str | None = None
    key: str | None = None
    part_number: int | None = None
    upload_id: str | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key: str | None = None
    sse_customer_key_md5: str | None = None
    copy_source_sse_customer_algorithm: str | None = None
    copy_source_sse_customer_key: str | None = None
    copy_source_sse_customer_key_md5: str | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None
    expected_source_bucket_owner: str | None = None


class UploadPartInput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    content_length: int | None = None
    content_md5: str | None = None
    checksum_algorithm: str | None = None
    checksum_crc32: str | None = None
    checksum_crc32_c: str | None = None
    checksum_crc64_nvme: str | None = None
    checksum_sha1: str | None = None
    checksum_sha256: str | None = None
    checksum_sha512: str | None = None
    checksum_md5: str | None = None
    checksum_xxhash64: str | None = None
    checksum_xxhash3: str | None = None
    checksum_xxhash128: str | None = None
    key: str | None = None
    part_number: int | None = None
    upload_id: str | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key: str | None = None
    sse_customer_key_md5: str | None = None
    request_payer: str | None = None
    expected_bucket_owner: str | None = None


class UseSourceMultiRegionKey(msgspec.Struct, kw_only=True):
    status: str | None = None


class VersioningConfiguration(msgspec.Struct, kw_only=True):
    mfa_delete: str | None = None
    status: str | None = None


class WebsiteConfiguration(msgspec.Struct, kw_only=True):
    error_document: ErrorDocument | None = None
    index_document: IndexDocument | None = None
    redirect_all_requests_to: RedirectAllRequestsTo | None = None
    routing_rules: list[RoutingRule] | None = None


class WriteGetObjectResponseInput(msgspec.Struct, kw_only=True):
    request_route: str | None = None
    request_token: str | None = None
    status_code: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    accept_ranges: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    content_length: int | None = None
    content_range: str | None = None
    content_type: str | None = None
    checksum_crc32: str | None = None
    checksum_crc32_c: str | None = None
    checksum_crc64_nvme: str | None = None
    checksum_sha1: str | None = None
    checksum_sha256: str | None = None
    checksum_sha512: str | None = None
    checksum_md5: str | None = None
    checksum_xxhash64: str | None = None
    checksum_xxhash3: str | None = None
    checksum_xxhash128: str | None = None
    delete_marker: bool | None = None
    e_tag: str | None = None
    expires: str | None = None
    expiration: str | None = None
    last_modified: int | None = None
    missing_meta: int | None = None
    metadata: dict[str, str] | None = None
    object_lock_mode: str | None = None
    object_lock_legal_hold_status: str | None = None
    object_lock_retain_until_date: int | None = None
    parts_count: int | None = None
    replication_status: str | None = None
    request_charged: str | None = None
    restore: str | None = None
    server_side_encryption: str | None = None
    sse_customer_algorithm: str | None = None
    ssekms_key_id: str | None = None
    sse_customer_key_md5: str | None = None
    storage_class: str | None = None
    tag_count: int | None = None
    version_id: str | None = None
    bucket_key_enabled: bool | None = None
