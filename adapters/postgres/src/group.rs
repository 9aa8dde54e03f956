//! Appends that share a transaction, and so one flush of the disk.

use std::collections::{BTreeMap, BTreeSet};

use lp_connector_core::bridge::store::{Answer, Request, StoreError, StoreErrorKind};
use lp_connector_core::id::AccountId;

use crate::connection::{Connection, Reach, Refusal};

/// Performs one request, or some appends as one. Where one account is closed, those of each account are one. Where they
/// fail for another reason than the server, each is by itself.
pub(crate) async fn perform(
    connection: &mut Connection,
    requests: &[Request],
) -> Vec<Result<Answer, StoreError>> {
    let mut outcomes = BTreeMap::new();
    let mut groups: Vec<Vec<(usize, &Request)>> = vec![requests.iter().enumerate().collect()];
    while let Some(group) = groups.pop() {
        let outcome = together(connection, &group).await;
        let parts = match &outcome {
            Err(refusal) => split(&group, refusal),
            Ok(_) => Vec::new(),
        };
        if parts.len() > 1 {
            // In their order: the first is taken first.
            groups.extend(parts.into_iter().rev());
            continue;
        }
        for (place, _) in group {
            outcomes.insert(
                place,
                match &outcome {
                    Ok(answer) => Ok(answer.clone()),
                    Err(Refusal { error, .. }) => {
                        Err(StoreError::new(error.kind(), error.to_string()))
                    }
                },
            );
        }
    }
    outcomes.into_values().collect()
}

async fn together(
    connection: &mut Connection,
    group: &[(usize, &Request)],
) -> Result<Answer, Refusal> {
    if let [(_, alone)] = group {
        return connection.perform(alone).await;
    }
    let all = group.iter().filter_map(|(_, one)| match one {
        Request::Append(entries) => Some(entries.as_slice()),
        _ => None,
    });
    connection.perform(&Request::Append(all.flatten().cloned().collect())).await
}

/// The parts that may go on without each other after this. None or one: all of them are refused.
fn split<'a>(group: &[(usize, &'a Request)], refusal: &Refusal) -> Vec<Vec<(usize, &'a Request)>> {
    match refusal.reach {
        Reach::Account => {
            let mut parts: BTreeMap<BTreeSet<&AccountId>, Vec<_>> = BTreeMap::new();
            for (place, request) in group {
                parts.entry(accounts(request)).or_default().push((*place, *request));
            }
            parts.into_values().collect()
        }
        Reach::Server if refusal.error.kind() == StoreErrorKind::Unavailable => Vec::new(),
        _ => group.iter().map(|one| vec![*one]).collect(),
    }
}

fn accounts(request: &Request) -> BTreeSet<&AccountId> {
    match request {
        Request::Append(entries) => entries.iter().map(|entry| entry.lane.account()).collect(),
        _ => BTreeSet::new(),
    }
}
