//! The relations as diesel knows them, in the contract's order and then the ones beside it.
//!
//! Written by hand with the migrations; a test compares every column with the migrated database.

diesel::table! {
    tenant (id) {
        id -> Uuid,
        name -> Text,
        auth0_org_id -> Nullable<Text>,
        created_at -> Nullable<Timestamp>,
        archived_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    user (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        auth0_id -> Text,
        email -> Text,
        name -> Text,
        role -> Text,
        created_at -> Nullable<Timestamp>,
        archived_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    project (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        name -> Text,
        description -> Nullable<Text>,
        created_at -> Nullable<Timestamp>,
        archived_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    dataset (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        project_id -> Uuid,
        name -> Text,
        description -> Nullable<Text>,
        created_at -> Nullable<Timestamp>,
        archived_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    #[sql_name = "table"]
    table_ (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        dataset_id -> Uuid,
        name -> Text,
        schema -> Jsonb,
        created_at -> Nullable<Timestamp>,
        archived_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    query (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        project_id -> Uuid,
        query_text -> Text,
        created_at -> Nullable<Timestamp>,
        archived_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    query_job (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        query_id -> Uuid,
        bigquery_job_id -> Text,
        status -> Text,
        error_result -> Nullable<Jsonb>,
        error_details -> Nullable<Jsonb>,
        created -> Nullable<Timestamp>,
        started -> Nullable<Timestamp>,
        ended -> Nullable<Timestamp>,
        total_rows -> Nullable<BigInt>,
        total_bytes_processed -> Nullable<BigInt>,
        total_slot_ms -> Nullable<BigInt>,
        cache_hit -> Nullable<Bool>,
        dml_stats -> Nullable<Jsonb>,
        query_plan -> Nullable<Jsonb>,
        timeline -> Nullable<Jsonb>,
        destination_table -> Nullable<Jsonb>,
        num_dml_affected_rows -> Nullable<BigInt>,
        script_statistics -> Nullable<Jsonb>,
        session_info -> Nullable<Jsonb>,
        transaction_info -> Nullable<Jsonb>,
        reservation_usage -> Nullable<Jsonb>,
        created_at -> Nullable<Timestamp>,
        updated_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    import_job (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        table_id -> Uuid,
        status -> Text,
        created_at -> Nullable<Timestamp>,
        archived_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    export_job (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        table_id -> Uuid,
        status -> Text,
        created_at -> Nullable<Timestamp>,
        archived_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    dataset_history (id, changed_at) {
        id -> Uuid,
        tenant_id -> Uuid,
        project_id -> Uuid,
        name -> Text,
        description -> Nullable<Text>,
        created_at -> Nullable<Timestamp>,
        changed_at -> Nullable<Timestamp>,
        action -> Text,
    }
}

diesel::table! {
    table_history (id, changed_at) {
        id -> Uuid,
        tenant_id -> Uuid,
        dataset_id -> Uuid,
        name -> Text,
        schema -> Jsonb,
        created_at -> Nullable<Timestamp>,
        changed_at -> Nullable<Timestamp>,
        action -> Text,
    }
}

diesel::table! {
    query_history (id, changed_at) {
        id -> Uuid,
        tenant_id -> Uuid,
        project_id -> Uuid,
        query_text -> Text,
        created_at -> Nullable<Timestamp>,
        changed_at -> Nullable<Timestamp>,
        action -> Text,
    }
}

diesel::table! {
    import_job_history (id, changed_at) {
        id -> Uuid,
        tenant_id -> Uuid,
        table_id -> Uuid,
        status -> Text,
        created_at -> Nullable<Timestamp>,
        changed_at -> Nullable<Timestamp>,
        action -> Text,
    }
}

diesel::table! {
    export_job_history (id, changed_at) {
        id -> Uuid,
        tenant_id -> Uuid,
        table_id -> Uuid,
        status -> Text,
        created_at -> Nullable<Timestamp>,
        changed_at -> Nullable<Timestamp>,
        action -> Text,
    }
}

diesel::table! {
    backfill_audit (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        user_id -> Uuid,
        relation -> Text,
        before -> Nullable<Jsonb>,
        after -> Nullable<Jsonb>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    budget_ledger (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        table_id -> Uuid,
        budget_scope -> Text,
        analyst_tenant_id -> Uuid,
        query_job_id -> Uuid,
        kind -> Text,
        amount -> Double,
        created_at -> Timestamp,
    }
}

diesel::table! {
    export_run (job_id) {
        job_id -> Uuid,
        tenant_id -> Uuid,
        created_by -> Uuid,
        options -> Jsonb,
        progress -> Nullable<Jsonb>,
        error -> Nullable<Jsonb>,
        ready_at -> Nullable<Timestamp>,
        holder -> Nullable<Text>,
        lease_expires_at -> Nullable<Timestamp>,
        attempt -> Integer,
        max_attempts -> Integer,
        cancel_requested -> Bool,
        traceparent -> Nullable<Text>,
        created_at -> Timestamp,
        ended_at -> Nullable<Timestamp>,
        swept_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    idempotency (tenant_id, request_id) {
        tenant_id -> Uuid,
        request_id -> Text,
        method -> Text,
        request_hash -> Binary,
        resource_id -> Uuid,
        created_at -> Timestamp,
    }
}

diesel::table! {
    import_run (job_id) {
        job_id -> Uuid,
        tenant_id -> Uuid,
        created_by -> Uuid,
        options -> Jsonb,
        progress -> Nullable<Jsonb>,
        error -> Nullable<Jsonb>,
        ready_at -> Nullable<Timestamp>,
        holder -> Nullable<Text>,
        lease_expires_at -> Nullable<Timestamp>,
        attempt -> Integer,
        max_attempts -> Integer,
        cancel_requested -> Bool,
        traceparent -> Nullable<Text>,
        created_at -> Timestamp,
        ended_at -> Nullable<Timestamp>,
        swept_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    object_garbage (path) {
        path -> Text,
        since -> Timestamp,
    }
}

diesel::table! {
    project_participant (project_id, tenant_id) {
        project_id -> Uuid,
        tenant_id -> Uuid,
        status -> Text,
        can_contribute -> Bool,
        can_query -> Bool,
        invited_by -> Nullable<Uuid>,
        created_at -> Timestamp,
        changed_at -> Timestamp,
        tenant_archived -> Bool,
        is_active -> Bool,
    }
}

diesel::table! {
    query_approval (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        table_id -> Uuid,
        project_id -> Uuid,
        policy_version -> BigInt,
        requester_tenant_id -> Uuid,
        requested_by -> Uuid,
        query_text -> Text,
        parameters -> Jsonb,
        tables -> Jsonb,
        question -> Text,
        state -> Text,
        approver_user_id -> Nullable<Uuid>,
        created_at -> Timestamp,
        changed_at -> Timestamp,
    }
}

diesel::table! {
    query_result (job_id) {
        job_id -> Uuid,
        tenant_id -> Uuid,
        path -> Text,
        rows -> BigInt,
        bytes -> BigInt,
        schema -> Jsonb,
        cache_key -> Nullable<Text>,
        created_at -> Timestamp,
        expires_at -> Timestamp,
    }
}

diesel::table! {
    query_run (job_id) {
        job_id -> Uuid,
        tenant_id -> Uuid,
        created_by -> Uuid,
        options -> Jsonb,
        progress -> Nullable<Jsonb>,
        error -> Nullable<Jsonb>,
        ready_at -> Nullable<Timestamp>,
        holder -> Nullable<Text>,
        lease_expires_at -> Nullable<Timestamp>,
        attempt -> Integer,
        max_attempts -> Integer,
        cancel_requested -> Bool,
        traceparent -> Nullable<Text>,
        created_at -> Timestamp,
        ended_at -> Nullable<Timestamp>,
        swept_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    rejected_row (id) {
        id -> BigInt,
        job_id -> Uuid,
        tenant_id -> Uuid,
        line -> BigInt,
        field -> Nullable<Text>,
        reason -> Text,
        value -> Nullable<Text>,
        file -> Nullable<Text>,
    }
}

diesel::table! {
    release_audit (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        table_id -> Uuid,
        project_id -> Uuid,
        analyst_tenant_id -> Uuid,
        analyst_user_id -> Uuid,
        query_job_id -> Uuid,
        policy_version -> BigInt,
        normalized_query -> Text,
        outcome -> Text,
        released_groups -> BigInt,
        suppressed_groups -> Nullable<BigInt>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    table_file (table_id, added_in, path) {
        table_id -> Uuid,
        added_in -> BigInt,
        path -> Text,
        tenant_id -> Uuid,
        removed_in -> Nullable<BigInt>,
        format -> Text,
        rows -> BigInt,
        bytes -> BigInt,
        checksum -> Text,
        statistics -> Jsonb,
        created_at -> Timestamp,
    }
}

diesel::table! {
    table_policy (table_id, version) {
        table_id -> Uuid,
        version -> BigInt,
        tenant_id -> Uuid,
        policy -> Jsonb,
        created_by -> Uuid,
        created_at -> Timestamp,
    }
}

diesel::table! {
    table_version (table_id, version) {
        table_id -> Uuid,
        version -> BigInt,
        content_version -> BigInt,
        tenant_id -> Uuid,
        import_job_id -> Nullable<Uuid>,
        mode -> Text,
        rows -> BigInt,
        bytes -> BigInt,
        unique_columns -> Array<Text>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    upload_chunk (job_id, offset) {
        job_id -> Uuid,
        offset -> BigInt,
        tenant_id -> Uuid,
        bytes -> BigInt,
        path -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    visible_version (table_id, version) {
        table_id -> Uuid,
        version -> BigInt,
        tenant_id -> Uuid,
        published_by -> Nullable<Uuid>,
        created_at -> Timestamp,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    tenant,
    user,
    project,
    dataset,
    table_,
    query,
    query_job,
    import_job,
    export_job,
    dataset_history,
    table_history,
    query_history,
    import_job_history,
    export_job_history,
    backfill_audit,
    budget_ledger,
    export_run,
    idempotency,
    import_run,
    object_garbage,
    project_participant,
    query_approval,
    query_result,
    query_run,
    rejected_row,
    release_audit,
    table_file,
    table_policy,
    table_version,
    upload_chunk,
    visible_version,
);
