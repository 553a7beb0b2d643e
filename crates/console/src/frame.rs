//! What stands round every page: who is signed in, which project, where one is. Finished texts only; templates decide nothing.

use tollgate_core::ids::ProjectId;
use tollgate_core::roles::Role;
use tollgate_node::ProjectView;

use crate::assets::Assets;
use crate::words;

/// The frame of a page.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) assets: Assets,
    pub(crate) theme: Option<&'static str>,
    /// The token of this session's forms.
    pub(crate) csrf: String,
    /// The operator's name.
    pub(crate) operator: String,
    pub(crate) role: &'static str,
    /// Whether buttons that change channels, tokens and users are shown.
    pub(crate) may_edit: bool,
    /// Whether buttons that change who may do what are shown.
    pub(crate) may_own: bool,
    /// Begins every path of the project: `/console/p/project_…`.
    pub(crate) base: String,
    pub(crate) project: String,
    pub(crate) project_name: String,
    pub(crate) projects: Vec<Choice>,
    /// The part of the console that is open: a word of the side's links.
    pub(crate) here: &'static str,
    /// This page's own path, to come back to.
    pub(crate) path: String,
    /// What was just done.
    pub(crate) done: Option<&'static str>,
    pub(crate) version: &'static str,
}

/// A project to go to.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) is_here: bool,
}

/// Where a project's pages begin.
pub(crate) fn base(project: ProjectId) -> String {
    format!("/console/p/{project}")
}

impl Frame {
    pub(crate) fn new(
        assets: &Assets,
        operator: (String, Role),
        csrf: String,
        projects: &[ProjectView],
        project: Option<ProjectId>,
    ) -> Self {
        let (operator, role) = operator;
        let here = project.and_then(|id| projects.iter().find(|one| one.id == id));
        let choice = |one: &ProjectView| Choice {
            name: words::cut(&one.name, 60),
            path: format!("{}/", base(one.id)),
            is_here: Some(one.id) == project,
        };
        Self {
            assets: assets.clone(),
            theme: None,
            csrf,
            operator,
            role: role.word(),
            may_edit: role >= Role::Editor,
            may_own: role >= Role::Owner,
            base: project.map(base).unwrap_or_default(),
            project: project.map(|id| id.to_string()).unwrap_or_default(),
            project_name: here.map(|one| words::cut(&one.name, 60)).unwrap_or_default(),
            projects: projects.iter().take(100).map(choice).collect(),
            here: "",
            path: String::new(),
            done: None,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// What a page says was done; the word comes in the address, so only words of this table become a sentence.
pub(crate) fn done(word: &str) -> Option<&'static str> {
    const TABLE: &[(&str, &str)] = &[
        ("made", "Made."),
        ("saved", "Saved."),
        ("same", "Nothing was different; nothing was changed."),
        ("published", "Published."),
        ("sent", "Sent."),
        ("added", "Added."),
        ("removed", "Removed."),
        ("deleted", "Deleted."),
        ("revoked", "Revoked. Its connections are closed."),
        ("revoked_all", "All its tokens are ended, and their connections closed."),
        ("banned", "Banned. Its tokens are ended, and it gets no new ones."),
        ("unbanned", "It may come in again, with new tokens."),
        ("restored", "Restored. It works again."),
        ("disconnected", "Disconnected. It may come back at once; to keep it out, revoke its token."),
        ("rotated", "Rotated."),
        ("disabled", "Disabled."),
        ("enabled", "Enabled."),
        ("ended", "Ended."),
        ("retired", "Retired."),
        ("tested", "A test is on its way."),
        ("password", "The password was changed."),
    ];
    TABLE.iter().find(|(one, _)| *one == word).map(|(_, said)| *said)
}
