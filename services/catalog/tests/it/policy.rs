use datacovey_proto::catalog::v1::{
    ColumnPolicy, ColumnUse, GetTablePolicyRequest, Policy, PrivacyUnit, SetTablePolicyRequest, TablePolicy,
    Threshold, privacy_unit,
};
use tonic::Code;
use uuid::Uuid;

use crate::refusal::{denied, failed, not_found, refusal, why};
use crate::suite::{Caller, Suite};

pub(crate) fn reference() -> Policy {
    Policy {
        reference: Some(true),
        ..Policy::default()
    }
}

/// Planes are protected, joined by their tail number, grouped by their year.
pub(crate) fn by_tail_number() -> Policy {
    let column = |uses: ColumnUse, identity: Option<&str>| ColumnPolicy {
        uses: vec![uses.into()],
        identity: identity.map(str::to_owned),
        ..ColumnPolicy::default()
    };
    Policy {
        privacy_unit: Some(PrivacyUnit {
            unit: Some(privacy_unit::Unit::Column("tailnum".to_owned())),
        }),
        columns: [
            ("tailnum".to_owned(), column(ColumnUse::Join, Some("tail_number"))),
            ("year".to_owned(), column(ColumnUse::Dimension, None)),
        ]
        .into(),
        ..Policy::default()
    }
}

async fn set(caller: &mut Caller, request: SetTablePolicyRequest) -> TablePolicy {
    caller
        .tables
        .set_table_policy(request)
        .await
        .unwrap()
        .into_inner()
}

async fn get(caller: &mut Caller, table: &str, version: Option<i32>) -> TablePolicy {
    let request = GetTablePolicyRequest {
        table_id: table.to_owned(),
        version,
    };
    caller
        .tables
        .get_table_policy(request)
        .await
        .unwrap()
        .into_inner()
}

struct Planes {
    suite: Suite,
    editor: Caller,
    project: String,
    table: String,
}

async fn planes() -> Planes {
    let suite = Suite::start().await;
    let mut admin = suite.as_admin();
    let project = admin.project("Fleet").await;
    let dataset = admin.dataset(&project, "shared").await;
    let mut editor = suite.as_editor();
    let table = editor.table(&dataset, "planes").await;
    Planes {
        suite,
        editor,
        project,
        table,
    }
}

fn request(table: &str, policy: Policy) -> SetTablePolicyRequest {
    SetTablePolicyRequest {
        table_id: table.to_owned(),
        policy: Some(policy),
        ..Default::default()
    }
}

#[tokio::test]
async fn versions_are_kept_and_the_newest_rules() {
    let Planes {
        suite,
        mut editor,
        table,
        ..
    } = planes().await;
    let none = GetTablePolicyRequest {
        table_id: table.clone(),
        version: None,
    };
    assert_eq!(why(editor.tables.get_table_policy(none).await), not_found());

    let first = set(&mut editor, request(&table, by_tail_number())).await;
    assert_eq!(
        (first.version, first.created_by.as_str()),
        (1, editor.user_id.to_string().as_str())
    );
    let second = set(&mut editor, request(&table, reference())).await;
    assert_eq!((second.version, &second.policy), (2, &Some(reference())));

    let mut user = suite.as_user();
    assert_eq!(get(&mut user, &table, None).await, second);
    assert_eq!(get(&mut user, &table, Some(1)).await, first);
    // Every part is told, defaults included.
    let told = first.policy.unwrap();
    assert_eq!(told.columns, by_tail_number().columns);
    assert_eq!(
        told.threshold.unwrap(),
        Threshold {
            min_units: Some(25),
            max_share: Some(0.5),
            round_to: Some(1)
        }
    );
    let third = GetTablePolicyRequest {
        table_id: table.clone(),
        version: Some(3),
    };
    assert_eq!(why(user.tables.get_table_policy(third).await), not_found());
    let zeroth = GetTablePolicyRequest {
        table_id: "x".to_owned(),
        version: Some(0),
    };
    assert_eq!(
        refusal(user.tables.get_table_policy(zeroth).await).2,
        ["table_id", "version"]
    );
}

#[tokio::test]
async fn a_version_follows_the_one_it_was_written_for() {
    let Planes {
        suite: _suite,
        mut editor,
        table,
        ..
    } = planes().await;
    let expecting = |version| SetTablePolicyRequest {
        expected_version: Some(version),
        ..request(&table, by_tail_number())
    };
    let aborted = |reason: &str| (Code::Aborted, reason.to_owned());
    assert_eq!(
        why(editor.tables.set_table_policy(expecting(1)).await),
        aborted("ETAG_MISMATCH")
    );
    assert_eq!(set(&mut editor, expecting(0)).await.version, 1);
    assert_eq!(
        why(editor.tables.set_table_policy(expecting(0)).await),
        aborted("ETAG_MISMATCH")
    );
    assert_eq!(set(&mut editor, expecting(1)).await.version, 2);
}

#[tokio::test]
async fn a_repeat_with_the_same_key_sets_no_new_version() {
    let Planes {
        suite: _suite,
        mut editor,
        table,
        ..
    } = planes().await;
    let keyed = SetTablePolicyRequest {
        request_id: "key".to_owned(),
        ..request(&table, by_tail_number())
    };
    let first = set(&mut editor, keyed.clone()).await;
    set(&mut editor, request(&table, reference())).await;
    assert_eq!(set(&mut editor, keyed.clone()).await, first);
    let other = SetTablePolicyRequest {
        policy: Some(reference()),
        ..keyed
    };
    assert_eq!(
        why(editor.tables.set_table_policy(other).await),
        failed("WRONG_STATE")
    );
}

#[tokio::test]
async fn checking_alone_sets_nothing() {
    let Planes {
        suite: _suite,
        mut editor,
        table,
        ..
    } = planes().await;
    let check = SetTablePolicyRequest {
        validate_only: true,
        ..request(&table, by_tail_number())
    };
    let checked = set(&mut editor, check.clone()).await;
    assert_eq!((checked.version, checked.created_at), (1, None));
    let none = GetTablePolicyRequest {
        table_id: table.clone(),
        version: None,
    };
    assert_eq!(why(editor.tables.get_table_policy(none).await), not_found());
    let wrong = SetTablePolicyRequest {
        policy: Some(Policy::default()),
        ..check
    };
    assert_eq!(
        refusal(editor.tables.set_table_policy(wrong).await).2,
        ["policy.privacy_unit"]
    );
}

#[tokio::test]
async fn all_violations_come_at_once() {
    let Planes {
        suite: _suite,
        mut editor,
        table,
        ..
    } = planes().await;
    let mut policy = by_tail_number();
    let tailnum = policy.columns.get_mut("tailnum").unwrap();
    tailnum.identity = None;
    policy.columns.get_mut("year").unwrap().uses = vec![ColumnUse::Unspecified.into()];
    policy.columns.insert(
        "no where".to_owned(),
        ColumnPolicy {
            uses: vec![2],
            ..ColumnPolicy::default()
        },
    );
    policy.threshold = Some(Threshold {
        min_units: Some(1),
        max_share: Some(0.0),
        round_to: Some(-1),
    });
    policy.analysts = vec!["acme".to_owned()];
    let broken = SetTablePolicyRequest {
        request_id: "a b".to_owned(),
        expected_version: Some(-1),
        ..request(&table, policy)
    };
    let (code, _, fields) = refusal(editor.tables.set_table_policy(broken).await);
    assert_eq!(code, Code::InvalidArgument);
    assert_eq!(
        fields,
        [
            "expected_version",
            "policy.analysts[0]",
            "policy.columns[\"no where\"]",
            "policy.columns[\"tailnum\"].identity",
            "policy.columns[\"year\"].uses[0]",
            "policy.threshold.max_share",
            "policy.threshold.min_units",
            "policy.threshold.round_to",
            "request_id",
        ]
    );
    let mut alone = by_tail_number();
    alone.columns.get_mut("tailnum").unwrap().identity = Some("email".to_owned());
    let (_, reason, fields) = refusal(editor.tables.set_table_policy(request(&table, alone)).await);
    assert_eq!(
        (reason.as_str(), fields),
        (
            "INVALID_POLICY",
            vec!["policy.columns[\"tailnum\"].identity".to_owned()]
        )
    );
    // What the database could not hold, and what every query of the project would have to read.
    let mut via = by_tail_number();
    via.privacy_unit = Some(PrivacyUnit {
        unit: Some(privacy_unit::Unit::Via("x\0.tailnum".to_owned())),
    });
    let (code, _, fields) = refusal(editor.tables.set_table_policy(request(&table, via)).await);
    assert_eq!(
        (code, fields),
        (Code::InvalidArgument, vec!["policy.privacy_unit.via".to_owned()])
    );
    let mut large = by_tail_number();
    large.analysts = (0..2000).map(|it| Uuid::from_u128(it).to_string()).collect();
    let (_, _, fields) = refusal(editor.tables.set_table_policy(request(&table, large)).await);
    assert_eq!(fields, ["policy"]);
    let (_, _, fields) = refusal(
        editor
            .tables
            .set_table_policy(SetTablePolicyRequest::default())
            .await,
    );
    assert_eq!(fields, ["policy", "table_id"]);
}

#[tokio::test]
async fn a_parent_is_a_table_of_the_same_dataset_and_tenant() {
    let Planes {
        suite,
        mut editor,
        project,
        table,
    } = planes().await;
    let mut via = by_tail_number();
    via.privacy_unit = Some(PrivacyUnit {
        unit: Some(privacy_unit::Unit::Via("fleet.tailnum".to_owned())),
    });
    let mut itself = via.clone();
    itself.privacy_unit = Some(PrivacyUnit {
        unit: Some(privacy_unit::Unit::Via("planes.tailnum".to_owned())),
    });
    let told = vec!["policy.privacy_unit.via".to_owned()];
    for policy in [via.clone(), itself] {
        let (_, reason, fields) = refusal(editor.tables.set_table_policy(request(&table, policy)).await);
        assert_eq!((reason.as_str(), &fields), ("INVALID_POLICY", &told));
    }
    let elsewhere = suite.as_admin().dataset(&project, "elsewhere").await;
    editor.table(&elsewhere, "fleet").await;
    let (_, _, fields) = refusal(editor.tables.set_table_policy(request(&table, via.clone())).await);
    assert_eq!(fields, told);
    let dataset = editor
        .tables
        .get_table(datacovey_proto::catalog::v1::GetTableRequest { id: table.clone() })
        .await
        .unwrap()
        .into_inner()
        .dataset_id;
    editor.table(&dataset, "fleet").await;
    assert_eq!(set(&mut editor, request(&table, via)).await.version, 1);
}

#[tokio::test]
async fn partners_read_policies_and_owners_set_them() {
    let Planes {
        suite,
        mut editor,
        project,
        table,
    } = planes().await;
    set(&mut editor, request(&table, by_tail_number())).await;
    let mut other = suite.as_other_tenant();
    let read = GetTablePolicyRequest {
        table_id: table.clone(),
        version: None,
    };
    assert_eq!(why(other.tables.get_table_policy(read).await), not_found());
    assert_eq!(
        why(other.tables.set_table_policy(request(&table, reference())).await),
        not_found()
    );
    assert_eq!(
        why(suite
            .as_user()
            .tables
            .set_table_policy(request(&table, reference()))
            .await),
        denied()
    );

    suite.join(&project, &mut suite.as_admin(), &mut other).await;
    // Who set it is the owner's own affair.
    assert_eq!(get(&mut other, &table, None).await.created_by, "");
    assert_eq!(
        why(other.tables.set_table_policy(request(&table, reference())).await),
        denied()
    );
    let nowhere = request(&Uuid::nil().to_string(), reference());
    assert_eq!(why(editor.tables.set_table_policy(nowhere).await), not_found());
}

#[tokio::test]
async fn versions_set_at_the_same_time_follow_each_other() {
    let Planes {
        suite,
        mut editor,
        table,
        ..
    } = planes().await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (mut editor, request) = (suite.as_editor(), request(&table, by_tail_number()));
        calls.spawn(async move {
            editor
                .tables
                .set_table_policy(request)
                .await
                .unwrap()
                .into_inner()
                .version
        });
    }
    let mut versions = calls.join_all().await;
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(get(&mut editor, &table, None).await.version, 8);
}
