//! Tests of `channels`, one file a verb.

mod create;
mod delete;
mod get;
mod list;
mod patch;

use serde_json::Value;

/// Hop's project object, as strict SDKs decode it.
#[track_caller]
pub(crate) fn check_project(project: &Value, id: &str) {
    assert_eq!(project["id"], id);
    assert!(
        project["name"].is_string() && project["created_at"].is_string() && project["namespace"].is_string(),
        "{project}"
    );
    assert!(matches!(project["tier"].as_str(), Some("free" | "paid")), "{project}");
    assert!(matches!(project["type"].as_str(), Some("regular" | "personal")), "{project}");
    assert!(project.get("icon").is_some() && project["quota_overrides"].is_object(), "{project}");
    for quota in ["default_quotas", "quota_usage"] {
        for resource in ["vcpu", "ram", "volume"] {
            assert!(project[quota].get(resource).is_some(), "{quota}.{resource} in {project}");
        }
    }
}
