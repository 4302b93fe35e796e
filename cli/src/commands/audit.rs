//! `penstock audit`: who changed what, and when.

use clap::Args;
use penstock_proto::management::v1 as pb;
use prost_types::Timestamp;
use std::time::{Duration, SystemTime};

use super::{Context, api_name, time};
use crate::args::duration;
use crate::client::PAGE_SIZE;
use crate::exit::{Doing, Failure};
use crate::output::table::{Column, Table};

/// List who changed what, the newest first (for admins)
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock audit
  penstock audit --api image-api --since 24h
  penstock audit --caller ci --since 2026-11-01T00:00:00Z --output json

With --output json each change has the object before and after.")]
pub(crate) struct Audit {
    /// Only changes of this API, by id or name
    #[arg(long, value_name = "API")]
    api: Option<String>,
    /// Only what this identity changed
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    caller: String,
    /// Not before: a time as 2026-11-01T00:00:00Z, or how long ago, as 90m or 24h
    #[arg(long, value_name = "TIME", value_parser = point_in_time)]
    since: Option<Timestamp>,
    /// Before: a time, or how long ago
    #[arg(long, value_name = "TIME", value_parser = point_in_time)]
    until: Option<Timestamp>,
    /// Most entries
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

impl Audit {
    /// # Errors
    /// Whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let limit = self.limit as usize;
        let rest_api_id = match &self.api {
            // What it was called when it was deleted is not kept, so an id may be of one that is gone.
            Some(named) => control_plane.api(named).await.map_or_else(|_| named.clone(), |api| api.id),
            None => String::new(),
        };
        let mut entries = Vec::new();
        let mut page_token = String::new();
        // Each page has at least one entry, so this ends with the list or the limit.
        while entries.len() < limit {
            let request = pb::ListAuditEntriesRequest {
                rest_api_id: rest_api_id.clone(),
                caller: self.caller.clone(),
                since: self.since,
                until: self.until,
                page_size: i32::try_from(limit - entries.len()).map_or(PAGE_SIZE, |left| left.min(PAGE_SIZE)),
                page_token,
            };
            let page = control_plane.audit().list_audit_entries(request).await.doing("listing the audit log")?;
            entries.extend(page.items);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let apis = control_plane.apis("").await?;
        context.output.list(&entries, || table(&entries, &apis))
    }
}

fn table(entries: &[pb::AuditEntry], apis: &[pb::RestApi]) -> Table {
    let columns = [
        Column::text("WHEN"),
        Column::text("CALLER"),
        Column::text("ROLE"),
        Column::text("CALL"),
        Column::elastic("API"),
        Column::number("VERSION"),
        Column::elastic("CHANGED"),
        Column::text("FROM"),
    ];
    let mut table = Table::new("No changes.", columns);
    for entry in entries {
        table.row([
            time(entry.time),
            entry.caller.clone(),
            entry.role.clone(),
            entry.rpc.rsplit('/').next().unwrap_or_default().to_owned(),
            api_name(&entry.rest_api_id, apis),
            entry.version.to_string(),
            changed(entry),
            entry.peer.clone(),
        ]);
    }
    table
}

/// `+` is new, `-` is gone, `~` is another.
fn changed(entry: &pb::AuditEntry) -> String {
    let mark = |change: &pb::AuditChange| match (&change.before, &change.after, change.shortened) {
        (None, Some(_), false) => "+",
        (Some(_), None, false) => "-",
        _ => "~",
    };
    let mut words: Vec<_> =
        entry.changes.iter().map(|change| format!("{}{} {}", mark(change), change.kind, change.key)).collect();
    if entry.omitted_changes > 0 {
        words.push(format!("and {} more", entry.omitted_changes));
    }
    words.join(", ")
}

/// A time in RFC 3339, or a duration back from now.
fn point_in_time(text: &str) -> Result<Timestamp, String> {
    if let Ok(ago) = duration(text) {
        return before(SystemTime::now(), ago);
    }
    text.parse().map_err(|_| "expected a time as 2026-11-01T00:00:00Z, or a number and ms, s, m or h".to_owned())
}

fn before(now: SystemTime, ago: Duration) -> Result<Timestamp, String> {
    now.checked_sub(ago).map(Timestamp::from).ok_or_else(|| "is too long ago".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_points_or_ways_back() {
        assert_eq!(point_in_time("1970-01-01T00:00:07Z"), Ok(Timestamp { seconds: 7, nanos: 0 }));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        assert_eq!(before(now, Duration::from_secs(40)), Ok(Timestamp { seconds: 60, nanos: 0 }));
        for wrong in ["", "yesterday", "1d"] {
            assert!(point_in_time(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_change_is_shown_by_its_kind_and_direction() {
        let change = |before: bool, after: bool, shortened| pb::AuditChange {
            kind: "stage".into(),
            key: "a/prod".into(),
            before: before.then(pb::AuditObject::default),
            after: after.then(pb::AuditObject::default),
            shortened,
        };
        let entry = |changes| pb::AuditEntry { changes, ..Default::default() };
        assert_eq!(changed(&entry(vec![change(false, true, false)])), "+stage a/prod");
        assert_eq!(changed(&entry(vec![change(true, false, false)])), "-stage a/prod");
        assert_eq!(changed(&entry(vec![change(true, true, false)])), "~stage a/prod");
        let long = pb::AuditEntry { omitted_changes: 3, ..entry(vec![change(false, false, true)]) };
        assert_eq!(changed(&long), "~stage a/prod, and 3 more");
    }
}
