"""What S3's answers carry. Written by scripts/generate_s3_model.py from botocore's model (Apache-2.0): do not edit."""

from __future__ import annotations

import msgspec

from dolmen.gateway.s3.model import inputs_generated as shared

AbacStatus = shared.AbacStatus
AbortIncompleteMultipartUpload = shared.AbortIncompleteMultipartUpload
AccessControlTranslation = shared.AccessControlTranslation
AnalyticsAndOperator = shared.AnalyticsAndOperator
AnalyticsConfiguration = shared.AnalyticsConfiguration
AnalyticsExportDestination = shared.AnalyticsExportDestination
AnalyticsFilter = shared.AnalyticsFilter
AnalyticsS3BucketDestination = shared.AnalyticsS3BucketDestination
BlockedEncryptionTypes = shared.BlockedEncryptionTypes
CORSRule = shared.CORSRule
CloudFunctionConfiguration = shared.CloudFunctionConfiguration
Condition = shared.Condition
DefaultRetention = shared.DefaultRetention
DeleteMarkerReplication = shared.DeleteMarkerReplication
Destination = shared.Destination
EncryptionConfiguration = shared.EncryptionConfiguration
ErrorDocument = shared.ErrorDocument
EventBridgeConfiguration = shared.EventBridgeConfiguration
EventHoldDuration = shared.EventHoldDuration
ExistingObjectReplication = shared.ExistingObjectReplication
FilterRule = shared.FilterRule
Grant = shared.Grant
Grantee = shared.Grantee
IndexDocument = shared.IndexDocument
IntelligentTieringAndOperator = shared.IntelligentTieringAndOperator
IntelligentTieringConfiguration = shared.IntelligentTieringConfiguration
IntelligentTieringFilter = shared.IntelligentTieringFilter
InventoryConfiguration = shared.InventoryConfiguration
InventoryDestination = shared.InventoryDestination
InventoryEncryption = shared.InventoryEncryption
InventoryFilter = shared.InventoryFilter
InventoryS3BucketDestination = shared.InventoryS3BucketDestination
InventorySchedule = shared.InventorySchedule
LambdaFunctionConfiguration = shared.LambdaFunctionConfiguration
LifecycleExpiration = shared.LifecycleExpiration
LifecycleRule = shared.LifecycleRule
LifecycleRuleAndOperator = shared.LifecycleRuleAndOperator
LifecycleRuleFilter = shared.LifecycleRuleFilter
LoggingEnabled = shared.LoggingEnabled
Metrics = shared.Metrics
MetricsAndOperator = shared.MetricsAndOperator
MetricsConfiguration = shared.MetricsConfiguration
MetricsFilter = shared.MetricsFilter
NoncurrentVersionExpiration = shared.NoncurrentVersionExpiration
NoncurrentVersionTransition = shared.NoncurrentVersionTransition
NotificationConfigurationFilter = shared.NotificationConfigurationFilter
ObjectLockConfiguration = shared.ObjectLockConfiguration
ObjectLockLegalHold = shared.ObjectLockLegalHold
ObjectLockRetention = shared.ObjectLockRetention
ObjectLockRule = shared.ObjectLockRule
Owner = shared.Owner
OwnershipControls = shared.OwnershipControls
OwnershipControlsRule = shared.OwnershipControlsRule
PartitionedPrefix = shared.PartitionedPrefix
PublicAccessBlockConfiguration = shared.PublicAccessBlockConfiguration
QueueConfiguration = shared.QueueConfiguration
QueueConfigurationDeprecated = shared.QueueConfigurationDeprecated
RecordExpiration = shared.RecordExpiration
Redirect = shared.Redirect
RedirectAllRequestsTo = shared.RedirectAllRequestsTo
ReplicaModifications = shared.ReplicaModifications
ReplicationConfiguration = shared.ReplicationConfiguration
ReplicationRule = shared.ReplicationRule
ReplicationRuleAndOperator = shared.ReplicationRuleAndOperator
ReplicationRuleFilter = shared.ReplicationRuleFilter
ReplicationRuleNotOperator = shared.ReplicationRuleNotOperator
ReplicationRuleOrOperator = shared.ReplicationRuleOrOperator
ReplicationTime = shared.ReplicationTime
ReplicationTimeValue = shared.ReplicationTimeValue
RoutingRule = shared.RoutingRule
Rule = shared.Rule
S3KeyFilter = shared.S3KeyFilter
SSEKMS = shared.SSEKMS
SSES3 = shared.SSES3
ServerSideEncryptionByDefault = shared.ServerSideEncryptionByDefault
ServerSideEncryptionConfiguration = shared.ServerSideEncryptionConfiguration
ServerSideEncryptionRule = shared.ServerSideEncryptionRule
SimplePrefix = shared.SimplePrefix
SourceSelectionCriteria = shared.SourceSelectionCriteria
SseKmsEncryptedObjects = shared.SseKmsEncryptedObjects
StorageClassAnalysis = shared.StorageClassAnalysis
StorageClassAnalysisDataExport = shared.StorageClassAnalysisDataExport
Tag = shared.Tag
TargetGrant = shared.TargetGrant
TargetObjectKeyFormat = shared.TargetObjectKeyFormat
Tiering = shared.Tiering
TopicConfiguration = shared.TopicConfiguration
TopicConfigurationDeprecated = shared.TopicConfigurationDeprecated
Transition = shared.Transition
UseSourceMultiRegionKey = shared.UseSourceMultiRegionKey


class AbortMultipartUploadOutput(msgspec.Struct, kw_only=True):
    request_charged: str | None = None
    version_id: str | None = None


class AnnotationEntry(msgspec.Struct, kw_only=True):
    annotation_name: str | None = None
    last_modified: int | None = None
    e_tag: str | None = None
    checksum_algorithm: list[str] | None = None
    size: int | None = None
    replication_status: str | None = None


class AnnotationTableConfigurationResult(msgspec.Struct, kw_only=True):
    configuration_state: str | None = None
    table_status: str | None = None
    error: ErrorDetails | None = None
    table_name: str | None = None
    table_arn: str | None = None
    role: str | None = None


class Bucket(msgspec.Struct, kw_only=True):
    name: str | None = None
    creation_date: int | None = None
    bucket_region: str | None = None
    bucket_arn: str | None = None


class Checksum(msgspec.Struct, kw_only=True):
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


class CommonPrefix(msgspec.Struct, kw_only=True):
    prefix: str | None = None


class CompleteMultipartUploadOutput(msgspec.Struct, kw_only=True):
    location: str | None = None
    bucket: str | None = None
    key: str | None = None
    expiration: str | None = None
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
    checksum_type: str | None = None
    server_side_encryption: str | None = None
    version_id: str | None = None
    ssekms_key_id: str | None = None
    bucket_key_enabled: bool | None = None
    request_charged: str | None = None


class CopyObjectOutput(msgspec.Struct, kw_only=True):
    copy_object_result: CopyObjectResult | None = None
    expiration: str | None = None
    copy_source_version_id: str | None = None
    version_id: str | None = None
    server_side_encryption: str | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key_md5: str | None = None
    ssekms_key_id: str | None = None
    ssekms_encryption_context: str | None = None
    bucket_key_enabled: bool | None = None
    request_charged: str | None = None


class CopyObjectResult(msgspec.Struct, kw_only=True):
    last_modified: int | None = None
    e_tag: str | None = None
    checksum_type: str | None = None
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


class CopyPartResult(msgspec.Struct, kw_only=True):
    last_modified: int | None = None
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


class CreateBucketMetadataConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class CreateBucketMetadataTableConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class CreateBucketOutput(msgspec.Struct, kw_only=True):
    location: str | None = None
    bucket_arn: str | None = None


class CreateMultipartUploadOutput(msgspec.Struct, kw_only=True):
    abort_date: int | None = None
    abort_rule_id: str | None = None
    bucket: str | None = None
    key: str | None = None
    upload_id: str | None = None
    server_side_encryption: str | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key_md5: str | None = None
    ssekms_key_id: str | None = None
    ssekms_encryption_context: str | None = None
    bucket_key_enabled: bool | None = None
    request_charged: str | None = None
    checksum_algorithm: str | None = None
    checksum_type: str | None = None
    version_id: str | None = None


class CreateSessionOutput(msgspec.Struct, kw_only=True):
    server_side_encryption: str | None = None
    ssekms_key_id: str | None = None
    ssekms_encryption_context: str | None = None
    bucket_key_enabled: bool | None = None
    credentials: SessionCredentials | None = None


class DeleteBucketAnalyticsConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class DeleteBucketCorsOutput(msgspec.Struct, kw_only=True):
    pass


class DeleteBucketEncryptionOutput(msgspec.Struct, kw_only=True):
    pass


class DeleteBucketIntelligentTieringConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class DeleteBucketInventoryConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class DeleteBucketLifecycleOutput(msgspec.Struct, kw_only=True):
    pass


class DeleteBucketMetadataConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class DeleteBucketMetadataTableConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class DeleteBucketMetricsConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class DeleteBucketOutput(msgspec.Struct, kw_only=True):
    pass


class DeleteBucketOwnershipControlsOutput(msgspec.Struct, kw_only=True):
    pass


class DeleteBucketPolicyOutput(msgspec.Struct, kw_only=True):
    pass


class DeleteBucketReplicationOutput(msgspec.Struct, kw_only=True):
    pass


class DeleteBucketTaggingOutput(msgspec.Struct, kw_only=True):
    pass


class DeleteBucketWebsiteOutput(msgspec.Struct, kw_only=True):
    pass


class DeleteMarkerEntry(msgspec.Struct, kw_only=True):
    key: str | None = None
    version_id: str | None = None
    is_latest: bool | None = None
    last_modified: int | None = None
    owner: Owner | None = None


class DeleteObjectAnnotationOutput(msgspec.Struct, kw_only=True):
    object_version_id: str | None = None
    request_charged: str | None = None


class DeleteObjectOutput(msgspec.Struct, kw_only=True):
    delete_marker: bool | None = None
    version_id: str | None = None
    request_charged: str | None = None


class DeleteObjectTaggingOutput(msgspec.Struct, kw_only=True):
    version_id: str | None = None


class DeleteObjectsOutput(msgspec.Struct, kw_only=True):
    deleted: list[DeletedObject] | None = None
    request_charged: str | None = None
    errors: list[Error] | None = None


class DeletePublicAccessBlockOutput(msgspec.Struct, kw_only=True):
    pass


class DeletedObject(msgspec.Struct, kw_only=True):
    key: str | None = None
    version_id: str | None = None
    delete_marker: bool | None = None
    delete_marker_version_id: str | None = None


class DestinationResult(msgspec.Struct, kw_only=True):
    table_bucket_type: str | None = None
    table_bucket_arn: str | None = None
    table_namespace: str | None = None


class Error(msgspec.Struct, kw_only=True):
    key: str | None = None
    version_id: str | None = None
    code: str | None = None
    message: str | None = None


class ErrorDetails(msgspec.Struct, kw_only=True):
    error_code: str | None = None
    error_message: str | None = None


class GetBucketAbacOutput(msgspec.Struct, kw_only=True):
    abac_status: AbacStatus | None = None


class GetBucketAccelerateConfigurationOutput(msgspec.Struct, kw_only=True):
    status: str | None = None
    request_charged: str | None = None


class GetBucketAclOutput(msgspec.Struct, kw_only=True):
    owner: Owner | None = None
    grants: list[Grant] | None = None


class GetBucketAnalyticsConfigurationOutput(msgspec.Struct, kw_only=True):
    analytics_configuration: AnalyticsConfiguration | None = None


class GetBucketCorsOutput(msgspec.Struct, kw_only=True):
    cors_rules: list[CORSRule] | None = None


class GetBucketEncryptionOutput(msgspec.Struct, kw_only=True):
    server_side_encryption_configuration: ServerSideEncryptionConfiguration | None = None


class GetBucketIntelligentTieringConfigurationOutput(msgspec.Struct, kw_only=True):
    intelligent_tiering_configuration: IntelligentTieringConfiguration | None = None


class GetBucketInventoryConfigurationOutput(msgspec.Struct, kw_only=True):
    inventory_configuration: InventoryConfiguration | None = None


class GetBucketLifecycleConfigurationOutput(msgspec.Struct, kw_only=True):
    rules: list[LifecycleRule] | None = None
    transition_default_minimum_object_size: str | None = None


class GetBucketLifecycleOutput(msgspec.Struct, kw_only=True):
    rules: list[Rule] | None = None


class GetBucketLocationOutput(msgspec.Struct, kw_only=True):
    location_constraint: str | None = None


class GetBucketLoggingOutput(msgspec.Struct, kw_only=True):
    logging_enabled: LoggingEnabled | None = None


class GetBucketMetadataConfigurationOutput(msgspec.Struct, kw_only=True):
    get_bucket_metadata_configuration_result: GetBucketMetadataConfigurationResult | None = None


class GetBucketMetadataConfigurationResult(msgspec.Struct, kw_only=True):
    metadata_configuration_result: MetadataConfigurationResult | None = None


class GetBucketMetadataTableConfigurationOutput(msgspec.Struct, kw_only=True):
    get_bucket_metadata_table_configuration_result: GetBucketMetadataTableConfigurationResult | None = None


class GetBucketMetadataTableConfigurationResult(msgspec.Struct, kw_only=True):
    metadata_table_configuration_result: MetadataTableConfigurationResult | None = None
    status: str | None = None
    error: ErrorDetails | None = None


class GetBucketMetricsConfigurationOutput(msgspec.Struct, kw_only=True):
    metrics_configuration: MetricsConfiguration | None = None


class GetBucketNotificationConfigurationOutput(msgspec.Struct, kw_only=True):
    topic_configurations: list[TopicConfiguration] | None = None
    queue_configurations: list[QueueConfiguration] | None = None
    lambda_function_configurations: list[LambdaFunctionConfiguration] | None = None
    event_bridge_configuration: EventBridgeConfiguration | None = None


class GetBucketNotificationOutput(msgspec.Struct, kw_only=True):
    topic_configuration: TopicConfigurationDeprecated | None = None
    queue_configuration: QueueConfigurationDeprecated | None = None
    cloud_function_configuration: CloudFunctionConfiguration | None = None


class GetBucketOwnershipControlsOutput(msgspec.Struct, kw_only=True):
    ownership_controls: OwnershipControls | None = None


class GetBucketPolicyOutput(msgspec.Struct, kw_only=True):
    policy: str | None = None


class GetBucketPolicyStatusOutput(msgspec.Struct, kw_only=True):
    policy_status: PolicyStatus | None = None


class GetBucketReplicationOutput(msgspec.Struct, kw_only=True):
    replication_configuration: ReplicationConfiguration | None = None


class GetBucketRequestPaymentOutput(msgspec.Struct, kw_only=True):
    payer: str | None = None


class GetBucketTaggingOutput(msgspec.Struct, kw_only=True):
    tag_set: list[Tag] | None = None


class GetBucketVersioningOutput(msgspec.Struct, kw_only=True):
    status: str | None = None
    mfa_delete: str | None = None


class GetBucketWebsiteOutput(msgspec.Struct, kw_only=True):
    redirect_all_requests_to: RedirectAllRequestsTo | None = None
    index_document: IndexDocument | None = None
    error_document: ErrorDocument | None = None
    routing_rules: list[RoutingRule] | None = None


class GetObjectAclOutput(msgspec.Struct, kw_only=True):
    owner: Owner | None = None
    grants: list[Grant] | None = None
    request_charged: str | None = None


class GetObjectAnnotationOutput(msgspec.Struct, kw_only=True):
    object_version_id: str | None = None
    last_modified: int | None = None
    content_length: int | None = None
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
    checksum_type: str | None = None
    server_side_encryption: str | None = None
    request_charged: str | None = None
    replication_status: str | None = None


class GetObjectAttributesOutput(msgspec.Struct, kw_only=True):
    delete_marker: bool | None = None
    last_modified: int | None = None
    version_id: str | None = None
    request_charged: str | None = None
    e_tag: str | None = None
    checksum: Checksum | None = None
    object_parts: GetObjectAttributesParts | None = None
    storage_class: str | None = None
    object_size: int | None = None


class GetObjectAttributesParts(msgspec.Struct, kw_only=True):
    total_parts_count: int | None = None
    part_number_marker: int | None = None
    next_part_number_marker: int | None = None
    max_parts: int | None = None
    is_truncated: bool | None = None
    parts: list[ObjectPart] | None = None


class GetObjectLegalHoldOutput(msgspec.Struct, kw_only=True):
    legal_hold: ObjectLockLegalHold | None = None


class GetObjectLockConfigurationOutput(msgspec.Struct, kw_only=True):
    object_lock_configuration: ObjectLockConfiguration | None = None


class GetObjectOutput(msgspec.Struct, kw_only=True):
    delete_marker: bool | None = None
    accept_ranges: str | None = None
    expiration: str | None = None
    restore: str | None = None
    last_modified: int | None = None
    content_length: int | None = None
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
    checksum_type: str | None = None
    missing_meta: int | None = None
    version_id: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    content_range: str | None = None
    content_type: str | None = None
    expires: str | None = None
    website_redirect_location: str | None = None
    server_side_encryption: str | None = None
    metadata: dict[str, str] | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key_md5: str | None = None
    ssekms_key_id: str | None = None
    bucket_key_enabled: bool | None = None
    storage_class: str | None = None
    request_charged: str | None = None
    replication_status: str | None = None
    parts_count: int | None = None
    tag_count: int | None = None
    object_lock_mode: str | None = None
    object_lock_retain_until_date: int | None = None
    object_lock_legal_hold_status: str | None = None
    object_lock_event_hold: str | None = None
    object_lock_event_hold_duration_days: int | None = None
    object_lock_event_hold_duration_years: int | None = None


class GetObjectRetentionOutput(msgspec.Struct, kw_only=True):
    retention: ObjectLockRetention | None = None


class GetObjectTaggingOutput(msgspec.Struct, kw_only=True):
    version_id: str | None = None
    tag_set: list[Tag] | None = None


class GetObjectTorrentOutput(msgspec.Struct, kw_only=True):
    request_charged: str | None = None


class GetPublicAccessBlockOutput(msgspec.Struct, kw_only=True):
    public_access_block_configuration: PublicAccessBlockConfiguration | None = None


class HeadBucketOutput(msgspec.Struct, kw_only=True):
    bucket_arn: str | None = None
    bucket_location_type: str | None = None
    bucket_location_name: str | None = None
    bucket_region: str | None = None
    access_point_alias: bool | None = None


class HeadObjectOutput(msgspec.Struct, kw_only=True):
    delete_marker: bool | None = None
    accept_ranges: str | None = None
    expiration: str | None = None
    restore: str | None = None
    archive_status: str | None = None
    last_modified: int | None = None
    content_length: int | None = None
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
    e_tag: str | None = None
    missing_meta: int | None = None
    version_id: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    content_type: str | None = None
    content_range: str | None = None
    expires: str | None = None
    website_redirect_location: str | None = None
    server_side_encryption: str | None = None
    metadata: dict[str, str] | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key_md5: str | None = None
    ssekms_key_id: str | None = None
    bucket_key_enabled: bool | None = None
    storage_class: str | None = None
    request_charged: str | None = None
    replication_status: str | None = None
    parts_count: int | None = None
    tag_count: int | None = None
    object_lock_mode: str | None = None
    object_lock_retain_until_date: int | None = None
    object_lock_legal_hold_status: str | None = None
    object_lock_event_hold: str | None = None
    object_lock_event_hold_duration_days: int | None = None
    object_lock_event_hold_duration_years: int | None = None


class Initiator(msgspec.Struct, kw_only=True):
    id: str | None = None
    display_name: str | None = None


class InventoryTableConfigurationResult(msgspec.Struct, kw_only=True):
    configuration_state: str | None = None
    table_status: str | None = None
    error: ErrorDetails | None = None
    table_name: str | None = None
    table_arn: str | None = None


class JournalTableConfigurationResult(msgspec.Struct, kw_only=True):
    table_status: str | None = None
    error: ErrorDetails | None = None
    table_name: str | None = None
    table_arn: str | None = None
    record_expiration: RecordExpiration | None = None


class ListBucketAnalyticsConfigurationsOutput(msgspec.Struct, kw_only=True):
    is_truncated: bool | None = None
    continuation_token: str | None = None
    next_continuation_token: str | None = None
    analytics_configuration_list: list[AnalyticsConfiguration] | None = None


class ListBucketIntelligentTieringConfigurationsOutput(msgspec.Struct, kw_only=True):
    is_truncated: bool | None = None
    continuation_token: str | None = None
    next_continuation_token: str | None = None
    intelligent_tiering_configuration_list: list[IntelligentTieringConfiguration] | None = None


class ListBucketInventoryConfigurationsOutput(msgspec.Struct, kw_only=True):
    continuation_token: str | None = None
    inventory_configuration_list: list[InventoryConfiguration] | None = None
    is_truncated: bool | None = None
    next_continuation_token: str | None = None


class ListBucketMetricsConfigurationsOutput(msgspec.Struct, kw_only=True):
    is_truncated: bool | None = None
    continuation_token: str | None = None
    next_continuation_token: str | None = None
    metrics_configuration_list: list[MetricsConfiguration] | None = None


class ListBucketsOutput(msgspec.Struct, kw_only=True):
    owner: Owner | None = None
    buckets: list[Bucket] | None = None
    continuation_token: str | None = None
    prefix: str | None = None


class ListDirectoryBucketsOutput(msgspec.Struct, kw_only=True):
    buckets: list[Bucket] | None = None
    continuation_token: str | None = None


class ListMultipartUploadsOutput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key_marker: str | None = None
    upload_id_marker: str | None = None
    next_key_marker: str | None = None
    next_upload_id_marker: str | None = None
    prefix: str | None = None
    delimiter: str | None = None
    encoding_type: str | None = None
    max_uploads: int | None = None
    is_truncated: bool | None = None
    uploads: list[MultipartUpload] | None = None
    common_prefixes: list[CommonPrefix] | None = None
    request_charged: str | None = None


class ListObjectAnnotationsOutput(msgspec.Struct, kw_only=True):
    annotations: list[AnnotationEntry] | None = None
    bucket: str | None = None
    key: str | None = None
    object_version_id: str | None = None
    annotation_prefix: str | None = None
    max_annotation_results: int | None = None
    annotation_count: int | None = None
    continuation_token: str | None = None
    next_continuation_token: str | None = None
    request_charged: str | None = None


class ListObjectVersionsOutput(msgspec.Struct, kw_only=True):
    name: str | None = None
    prefix: str | None = None
    key_marker: str | None = None
    version_id_marker: str | None = None
    next_key_marker: str | None = None
    next_version_id_marker: str | None = None
    max_keys: int | None = None
    delimiter: str | None = None
    encoding_type: str | None = None
    is_truncated: bool | None = None
    entries: list[ObjectVersion | DeleteMarkerEntry] | None = None
    versions: list[ObjectVersion] | None = None
    delete_markers: list[DeleteMarkerEntry] | None = None
    common_prefixes: list[CommonPrefix] | None = None
    request_charged: str | None = None


class ListObjectsOutput(msgspec.Struct, kw_only=True):
    name: str | None = None
    prefix: str | None = None
    marker: str | None = None
    next_marker: str | None = None
    max_keys: int | None = None
    delimiter: str | None = None
    encoding_type: str | None = None
    is_truncated: bool | None = None
    contents: list[Object] | None = None
    common_prefixes: list[CommonPrefix] | None = None
    request_charged: str | None = None


class ListObjectsV2Output(msgspec.Struct, kw_only=True):
    name: str | None = None
    prefix: str | None = None
    start_after: str | None = None
    continuation_token: str | None = None
    next_continuation_token: str | None = None
    key_count: int | None = None
    max_keys: int | None = None
    delimiter: str | None = None
    encoding_type: str | None = None
    is_truncated: bool | None = None
    contents: list[Object] | None = None
    common_prefixes: list[CommonPrefix] | None = None
    request_charged: str | None = None


class ListPartsOutput(msgspec.Struct, kw_only=True):
    bucket: str | None = None
    key: str | None = None
    upload_id: str | None = None
    initiator: Initiator | None = None
    owner: Owner | None = None
    storage_class: str | None = None
    part_number_marker: int | None = None
    next_part_number_marker: int | None = None
    max_parts: int | None = None
    is_truncated: bool | None = None
    checksum_algorithm: str | None = None
    checksum_type: str | None = None
    parts: list[Part] | None = None
    abort_date: int | None = None
    abort_rule_id: str | None = None
    request_charged: str | None = None
    version_id: str | None = None


class MetadataConfigurationResult(msgspec.Struct, kw_only=True):
    destination_result: DestinationResult | None = None
    journal_table_configuration_result: JournalTableConfigurationResult | None = None
    inventory_table_configuration_result: InventoryTableConfigurationResult | None = None
    annotation_table_configuration_result: AnnotationTableConfigurationResult | None = None


class MetadataTableConfigurationResult(msgspec.Struct, kw_only=True):
    s3_tables_destination_result: S3TablesDestinationResult | None = None


class MultipartUpload(msgspec.Struct, kw_only=True):
    key: str | None = None
    upload_id: str | None = None
    initiator: Initiator | None = None
    owner: Owner | None = None
    storage_class: str | None = None
    initiated: int | None = None
    checksum_algorithm: str | None = None
    checksum_type: str | None = None
    version_id: str | None = None


class Object(msgspec.Struct, kw_only=True):
    key: str | None = None
    last_modified: int | None = None
    e_tag: str | None = None
    checksum_algorithm: list[str] | None = None
    checksum_type: str | None = None
    size: int | None = None
    storage_class: str | None = None
    owner: Owner | None = None
    restore_status: RestoreStatus | None = None


class ObjectPart(msgspec.Struct, kw_only=True):
    part_number: int | None = None
    size: int | None = None
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


class ObjectVersion(msgspec.Struct, kw_only=True):
    key: str | None = None
    version_id: str | None = None
    is_latest: bool | None = None
    last_modified: int | None = None
    e_tag: str | None = None
    checksum_algorithm: list[str] | None = None
    checksum_type: str | None = None
    size: int | None = None
    owner: Owner | None = None
    storage_class: str | None = None
    restore_status: RestoreStatus | None = None


class Part(msgspec.Struct, kw_only=True):
    part_number: int | None = None
    last_modified: int | None = None
    e_tag: str | None = None
    size: int | None = None
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


class PolicyStatus(msgspec.Struct, kw_only=True):
    is_public: bool | None = None


class PostObjectOutput(msgspec.Struct, kw_only=True):
    location: str | None = None
    e_tag: str | None = None
    version_id: str | None = None
    expiration: str | None = None
    server_side_encryption: str | None = None
    response: PostResponse | None = None


class PostResponse(msgspec.Struct, kw_only=True):
    location: str | None = None
    bucket: str | None = None
    key: str | None = None
    e_tag: str | None = None


class PutBucketAbacOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketAccelerateConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketAclOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketAnalyticsConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketCorsOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketEncryptionOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketIntelligentTieringConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketInventoryConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketLifecycleConfigurationOutput(msgspec.Struct, kw_only=True):
    transition_default_minimum_object_size: str | None = None


class PutBucketLifecycleOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketLoggingOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketMetricsConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketNotificationConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketNotificationOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketOwnershipControlsOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketPolicyOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketReplicationOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketRequestPaymentOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketTaggingOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketVersioningOutput(msgspec.Struct, kw_only=True):
    pass


class PutBucketWebsiteOutput(msgspec.Struct, kw_only=True):
    pass


class PutObjectAclOutput(msgspec.Struct, kw_only=True):
    request_charged: str | None = None


class PutObjectAnnotationOutput(msgspec.Struct, kw_only=True):
    key: str | None = None
    annotation_name: str | None = None
    object_version_id: str | None = None
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
    checksum_type: str | None = None
    server_side_encryption: str | None = None
    request_charged: str | None = None


class PutObjectLegalHoldOutput(msgspec.Struct, kw_only=True):
    request_charged: str | None = None


class PutObjectLockConfigurationOutput(msgspec.Struct, kw_only=True):
    request_charged: str | None = None


class PutObjectOutput(msgspec.Struct, kw_only=True):
    expiration: str | None = None
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
    checksum_type: str | None = None
    server_side_encryption: str | None = None
    version_id: str | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key_md5: str | None = None
    ssekms_key_id: str | None = None
    ssekms_encryption_context: str | None = None
    bucket_key_enabled: bool | None = None
    size: int | None = None
    request_charged: str | None = None


class PutObjectRetentionOutput(msgspec.Struct, kw_only=True):
    request_charged: str | None = None


class PutObjectTaggingOutput(msgspec.Struct, kw_only=True):
    version_id: str | None = None


class PutPublicAccessBlockOutput(msgspec.Struct, kw_only=True):
    pass


class RenameObjectOutput(msgspec.Struct, kw_only=True):
    pass


class RestoreObjectOutput(msgspec.Struct, kw_only=True):
    request_charged: str | None = None
    restore_output_path: str | None = None


class RestoreStatus(msgspec.Struct, kw_only=True):
    is_restore_in_progress: bool | None = None
    restore_expiry_date: int | None = None


class S3TablesDestinationResult(msgspec.Struct, kw_only=True):
    table_bucket_arn: str | None = None
    table_name: str | None = None
    table_arn: str | None = None
    table_namespace: str | None = None


class SelectObjectContentOutput(msgspec.Struct, kw_only=True):
    pass


class SessionCredentials(msgspec.Struct, kw_only=True):
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    expiration: int | None = None


class UpdateBucketMetadataAnnotationTableConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class UpdateBucketMetadataInventoryTableConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class UpdateBucketMetadataJournalTableConfigurationOutput(msgspec.Struct, kw_only=True):
    pass


class UpdateObjectEncryptionOutput(msgspec.Struct, kw_only=True):
    request_charged: str | None = None


class UploadPartCopyOutput(msgspec.Struct, kw_only=True):
    copy_source_version_id: str | None = None
    copy_part_result: CopyPartResult | None = None
    server_side_encryption: str | None = None
    sse_customer_algorithm: str | None = None
    sse_customer_key_md5: str | None = None
    ssekms_key_id: str | None = None
    bucket_key_enabled: bool | None = None
    request_charged: str | None = None
    version_id: str | None = None


class UploadPartOutput(msgspec.Struct, kw_only=True):
    server_side_encryption: str | None = None
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
    sse_customer_algorithm: str | None = None
    sse_customer_key_md5: str | None = None
    ssekms_key_id: str | None = None
    bucket_key_enabled: bool | None = None
    request_charged: str | None = None
    version_id: str | None = None


class WriteGetObjectResponseOutput(msgspec.Struct, kw_only=True):
    pass
