//! A project's own settings, in groups: each is a form of its own, so that two operators who change different things do not meet. What the forms
//! have in them is [`settings_form`](super::settings_form)'s. No secret is shown but to whoever just made it.

use askama::Template;
use http::StatusCode;
use tollgate_core::credentials::WebhookSecret;
use tollgate_core::records::SettingsRecord;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::{HookTest, ProjectView};

use super::once::{self, Once};
use super::settings_form::{self as forms, ALGORITHMS, BucketFields, Field, Group, QUESTIONS, TICKS, Wrong};
use super::sure::{self, Sure};
use crate::answer::Answer;
use crate::diff;
use crate::form::{Form, Typed};
use crate::frame::Frame;
use crate::refused;
use crate::spans;
use crate::visit::{Visit, no_such};
use crate::words::{self, Moment};

#[derive(Template)]
#[template(path = "settings.html")]
struct Page {
    frame: Frame,
    typed: Typed,
    /// The group that was just saved.
    said: &'static str,
    /// Of each group, what stands for the settings as they are.
    opened: Vec<(&'static str, String)>,
    conflict: Option<Conflict>,
    hook: Option<Hook>,
    tested: Option<Tested>,
    has_visitor_secret: bool,
    questions: Vec<(&'static str, &'static str, &'static str)>,
    ticks: [(&'static str, &'static str, &'static str); 4],
    algorithms: [(&'static str, &'static str); 3],
    times: Vec<Field>,
    signing_times: Vec<Field>,
    buckets: Vec<BucketFields>,
    user_id_hint: String,
    id: String,
    made: Moment,
}

/// Somebody else changed the same group after the form was opened.
struct Conflict {
    group: &'static str,
    lines: Vec<diff::Line>,
}

/// The hook that there is.
struct Hook {
    /// Until when the secret before signs, too.
    previous_until: Option<Moment>,
}

/// What came of a test.
struct Tested {
    look: &'static str,
    icon: &'static str,
    title: &'static str,
    said: String,
}

impl Page {
    fn opened(&self, group: &str) -> &str {
        self.opened.iter().find(|(one, _)| *one == group).map(|(_, opened)| opened.as_str()).unwrap_or_default()
    }

    fn lines(&self, group: &str) -> &[diff::Line] {
        self.conflict.as_ref().filter(|one| one.group == group).map(|one| one.lines.as_slice()).unwrap_or_default()
    }
}

/// What a page is about beyond the settings as they are.
#[derive(Default)]
struct Telling {
    /// The group whose form comes back, as it was typed.
    group: Option<Group>,
    wrong: Option<Wrong>,
    conflict: bool,
    tested: Option<Tested>,
}

/// `GET …/settings`.
pub(crate) async fn show(visit: &Visit) -> Result<Answer> {
    page(visit, StatusCode::OK, Telling::default())
}

fn page(visit: &Visit, status: StatusCode, telling: Telling) -> Result<Answer> {
    let (node, now) = (visit.node(), visit.now());
    let (project, settings) = (node.this_project(&visit.caller)?, node.settings(&visit.caller)?);
    let Telling { group, wrong, conflict, tested } = telling;
    let filled = |form: Form, one: Group| {
        let own = if Some(one) == group { visit.form.clone() } else { one.form(&project.name, &settings) };
        form.and(own)
    };
    let mut typed = Typed::new(Group::ALL.into_iter().fold(Form::default(), filled));
    if let Some((field, error)) = &wrong {
        typed = typed.wrong_at(field, error);
    }
    let conflict = group.filter(|_| conflict).map(|group| Conflict {
        group: group.word(),
        lines: diff::lines(&group.lines(&group.form(&project.name, &settings)), &group.lines(&visit.form)),
    });
    let hook = settings.hook.as_ref().map(|hook| Hook {
        previous_until: hook
            .previous_secret
            .as_ref()
            .filter(|(_, until)| *until > now)
            .map(|(_, until)| words::moment(*until, now)),
    });
    let page = Page {
        frame: visit.frame("settings"),
        typed,
        said: Group::from_word(visit.query.value("said")).map(Group::word).unwrap_or_default(),
        opened: Group::ALL.map(|group| (group.word(), group.opened_with(&project.name, &settings))).into(),
        conflict,
        hook,
        tested,
        has_visitor_secret: settings.visitor_secret.is_some(),
        questions: QUESTIONS.map(|(field, _, label, hint)| (field, label, hint)).into(),
        ticks: TICKS,
        algorithms: ALGORITHMS,
        times: forms::times(Group::Lives),
        signing_times: forms::times(Group::Signing),
        buckets: forms::buckets(),
        user_id_hint: forms::user_id_hint(),
        id: project.id.to_string(),
        made: words::moment(project.created_at, now),
    };
    Answer::page_as(status, &page)
}

fn refuse(visit: &Visit, group: Group, (field, error): Wrong) -> Result<Answer> {
    let conflict = error.kind == ErrorKind::VersionMismatch;
    let telling = Telling {
        group: Some(group),
        wrong: Some((field, error.clone())).filter(|_| !conflict),
        conflict,
        tested: None,
    };
    page(visit, refused::status(error.kind), telling)
}

/// `POST …/settings/:group`.
pub(crate) async fn save(visit: &Visit) -> Result<Answer> {
    let group = Group::from_word(visit.param("group")).ok_or_else(|| no_such("group of settings"))?;
    let drawn = visit.node().draw_hook_secret();
    match changed(visit, group, &drawn).await {
        Ok(settings) if group == Group::Hook && is_drawn(&settings, &drawn) => secret(visit, &settings, &drawn),
        Ok(_) => Ok(Answer::see(&visit.at(&format!("/settings?said={0}#{0}", group.word())))),
        Err(wrong) => refuse(visit, group, wrong),
    }
}

/// The settings after the change; or the field that is wrong.
async fn changed(visit: &Visit, group: Group, drawn: &WebhookSecret) -> std::result::Result<SettingsRecord, Wrong> {
    let (node, caller, form) = (visit.node(), &visit.caller, &visit.form);
    let drawn = drawn.expose();
    let whole = |error: Error| (group.field_of(&error), plain(error));
    // Once on a copy: what is wrong with a field is said of that, before anybody is said to have been faster.
    group.apply(form, &mut node.settings(caller).map_err(whole)?, &drawn)?;
    let edit = |settings: &mut SettingsRecord| {
        let ProjectView { name, .. } = node.this_project(caller)?;
        if group.opened_with(&name, settings) != form.value("opened") {
            return Err(Error::new(ErrorKind::VersionMismatch, "Somebody else changed this meanwhile."));
        }
        group.apply(form, settings, &drawn).map_err(|(_, error)| error)
    };
    let name = (group == Group::About).then(|| form.value("name").trim());
    node.change_project(caller, name, &edit).await.map_err(whole)
}

/// The operation's sentence without the field's name in requests: it stands at the field.
fn plain(mut error: Error) -> Error {
    if let Some((name, said)) = error.detail.split_once("`: ")
        && name.starts_with('`')
    {
        error.detail = said.to_owned();
    }
    error
}

fn is_drawn(settings: &SettingsRecord, drawn: &WebhookSecret) -> bool {
    settings.hook.as_ref().is_some_and(|hook| hook.secret == *drawn.expose())
}

fn secret(visit: &Visit, settings: &SettingsRecord, drawn: &WebhookSecret) -> Result<Answer> {
    let url = settings.hook.as_ref().map(|hook| hook.url.clone()).unwrap_or_default();
    once::page(&Once {
        frame: visit.frame("settings"),
        heading: "The hook’s secret",
        back: ("Settings", visit.at("/settings")),
        said: "Your backend checks by it that a question is from here. Nobody can read it later, not even here."
            .to_owned(),
        secret: drawn.expose().to_string(),
        facts: vec![("Access hook", url)],
    })
}

/// `POST …/settings/hook/rotate`: another secret for the hook.
pub(crate) async fn rotate_hook(visit: &Visit) -> Result<Answer> {
    let (drawn, now) = (visit.node().draw_hook_secret(), visit.now());
    let text = drawn.expose();
    let edit = |settings: &mut SettingsRecord| forms::rotate(settings, &text, now);
    match visit.node().change_settings(&visit.caller, &edit).await {
        Ok(settings) => secret(visit, &settings, &drawn),
        Err(error) => {
            let telling = Telling { wrong: Some(("hook", error.clone())), ..Telling::default() };
            page(visit, refused::status(error.kind), telling)
        }
    }
}

/// `POST …/settings/hook/test`: asks the hook something made up.
pub(crate) async fn test_hook(visit: &Visit) -> Result<Answer> {
    let named = visit.form.value("question");
    let question = QUESTIONS.iter().find(|(field, ..)| *field == named).map(|(_, question, ..)| *question);
    match visit.node().test_hook(&visit.caller, question).await {
        Ok(test) => page(visit, StatusCode::OK, Telling { tested: Some(tested(&test)), ..Telling::default() }),
        Err(error) => {
            let telling = Telling { wrong: Some(("hook_test", error.clone())), ..Telling::default() };
            page(visit, refused::status(error.kind), telling)
        }
    }
}

/// A test in words.
fn tested(test: &HookTest) -> Tested {
    let took = spans::said(test.took_ms.max(1));
    let asked = QUESTIONS.iter().find(|(_, question, ..)| *question == test.question);
    let asked = asked.map(|(.., label, _)| label.to_lowercase()).unwrap_or_default();
    match &test.answer {
        Ok(answer) => {
            let status = test.status.unwrap_or_default();
            let verdict = if answer.allow { "yes" } else { "no" };
            let reason = answer.reason.as_deref().map(|why| format!(", because “{}”", words::cut(why, 255)));
            let kept = match answer.cache_ms {
                0 => "It would be asked every time.".to_owned(),
                ms => format!("The answer would be used again for {}.", spans::said(ms)),
            };
            let said = format!(
                "Asked {asked}, it answered {verdict}{} (status {status}) within {took}. {kept}",
                reason.unwrap_or_default()
            );
            Tested { look: "good", icon: "yes", title: "It answers.", said }
        }
        Err(failure) => {
            let status = test.status.map(|status| format!(" (status {status})")).unwrap_or_default();
            let said = format!("Asked {asked}, after {took}{status}: {}.", words::cut(failure, 600));
            Tested { look: "bad", icon: "warn", title: "No answer that counts.", said }
        }
    }
}

fn sure(visit: &Visit) -> Result<Sure> {
    let settings = visit.node().settings(&visit.caller)?;
    let hook = settings.hook.ok_or_else(|| no_such("access hook"))?;
    let asked = QUESTIONS.iter().filter(|(_, question, ..)| hook.questions.contains(question));
    let asked: Vec<String> = asked.map(|(_, _, label, _)| label.to_lowercase()).collect();
    Ok(Sure {
        here: "settings",
        heading: "Take the access hook away",
        list: ("Settings", visit.at("/settings")),
        says: vec![
            format!("Your backend is not asked any more: {}.", asked.join("; ")),
            "What it kept clients from, they may from then on, if the channels and their tokens let them. Nobody new gets into a private channel but by a capability or a subscription.".to_owned(),
            "Its secret is forgotten; a hook that is set later gets another one.".to_owned(),
        ],
        subject: words::cut(&hook.url, 200),
        action: visit.at("/settings/hook/remove"),
        keep: visit.at("/settings"),
        buttons: vec![("remove", "Take it away now")],
        asks: false,
    })
}

/// `GET …/settings/hook/remove`.
pub(crate) async fn about_to_remove_hook(visit: &Visit) -> Result<Answer> {
    sure::page(visit, sure(visit)?, None)
}

/// `POST …/settings/hook/remove`.
pub(crate) async fn remove_hook(visit: &Visit) -> Result<Answer> {
    let edit = |settings: &mut SettingsRecord| {
        settings.hook = None;
        Ok(())
    };
    match visit.node().change_settings(&visit.caller, &edit).await {
        Ok(_) => Ok(Answer::see(&visit.at("/settings?said=hook#hook"))),
        Err(error) => sure::page(visit, sure(visit)?, Some(("", &error))),
    }
}
