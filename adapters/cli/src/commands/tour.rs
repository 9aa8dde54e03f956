//! Every operation of the API once, against a sandbox.

use std::time::{Duration, Instant, SystemTime};

use lp_connector_core::api::{
    AuthorizeApp, ChatState, FindEngagement, GetFile, Identity, ListInstalls, Login, PersonalInfo,
    Profile, ReadInstall, ReportActivity, Resolution, SendText, SetUrgency, UpdateInstall,
    UpdateProfile, Urgency,
};
use lp_connector_core::connector::{Callable, Completed};
use lp_connector_core::conversation::Conversation;
use lp_connector_core::file::{File, Upload, UploadStep};
use lp_connector_core::id::{ClientId, ExtConsumerId};
use lp_connector_core::manifest::{self, Manifest};
use lp_connector_core::secret::Secret;
use lp_connector_core::time::Mono;
use lp_connector_core::webhook::{Change, Event, MessagingEvent, Verified};
use lp_connector_sandbox::{Agent, NextPost, Server, Webhooks};
use serde_json::json;

use super::demo;
use crate::args::Runtime;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, count};
use crate::session;

struct Tour<'a> {
    client: Client,
    server: &'a Server,
    output: &'a Output,
}

pub(crate) fn tour(runtime: Runtime, output: &Output) -> Result<(), Failure> {
    let server = demo::start(output)?;
    let client = Client::new(runtime, demo::config(&server, output)?)?;
    Tour { client, server: &server, output }.run()
}

impl Tour<'_> {
    /// Makes one call and prints its name and its result.
    fn call<C: Callable>(
        &self,
        operation: C,
        describe: impl FnOnce(&C::Output) -> String,
    ) -> Result<C::Output, Failure> {
        let output = self.client.call(operation)?.output;
        self.print(C::NAME, &describe(&output));
        Ok(output)
    }

    fn print(&self, name: &str, result: &str) {
        self.output.done(
            &json!({"event": "step", "step": name, "result": result}),
            format!("{name:<22} {result}"),
        );
    }

    fn run(&self) -> Result<(), Failure> {
        let consumer = ExtConsumerId::new("pigeon-ring-0042")?;
        let app = ClientId::new(self.server.client_id())?;

        self.output.say("\nBefore the conversation:");
        let manifest =
            Manifest::connector("pigeon-post").endpoint("https://hooks.pigeon.example/lp");
        let manifest =
            manifest.build().map_err(|violations| Failure::Local(violations.to_string()))?;
        let faults = manifest::check(&serde_json::to_value(&manifest).unwrap_or_default()).len();
        self.print("manifest", &format!("built and checked: {}", count(faults, "fault")));
        self.call(AuthorizeApp::new(), |_| "an AppJWT".to_owned())?;
        let find = FindEngagement::new(app.clone())
            .identity(Identity::authenticated(consumer.as_str()))
            .entry_point("sec://loft");
        let found = self.call(find, |found| format!("{} offered", found.engagements.len()))?;
        if let Some(engagement) = found.engagements.first() {
            let report = ReportActivity::new(app)
                .visitor(found.visitor.clone())
                .impression("impDisplay", engagement);
            self.call(report, |_| "the engagement was shown".to_owned())?;
        }

        self.output.say("\nThe conversation:");
        let open = found
            .open(consumer)
            .ok_or_else(|| Failure::Local("no engagement is offered".to_owned()))?;
        let open = open.client_properties(session::properties());
        let opened = self.call(open, |opened| opened.conversation.id().to_string())?;
        let mut conversation = Conversation::new(opened.conversation.clone());
        for (state, name) in [
            (ChatState::Active, "ACTIVE"),
            (ChatState::Composing, "COMPOSING"),
            (ChatState::Pause, "PAUSE"),
            (ChatState::Inactive, "INACTIVE"),
            (ChatState::Gone, "GONE"),
        ] {
            if let Some(typing) = conversation.chat_state(state) {
                self.call(typing, |_| name.to_owned())?;
            }
        }
        self.call(conversation.text("My pigeon is late 🐦"), |sent| {
            format!("#{}", number(sent.sequence))
        })?;
        let metadata = json!([{"type": "ExternalId", "id": "ring-0042"}]);
        let text = SendText::new(&opened.conversation, "Its ring is 0042");
        self.call(text.metadata(metadata), |_| "with metadata".to_owned())?;
        self.upload(&conversation)?;
        let mut person = PersonalInfo::default();
        person.firstname = Some("Ada".to_owned());
        let profile = Profile::new().personal_info(person);
        let update = UpdateProfile::new(&opened.conversation, profile);
        self.call(update, |()| "the agent sees a name".to_owned())?;
        let urgent =
            SetUrgency::new(&opened.conversation, Urgency::Urgent, Duration::from_secs(300));
        self.call(urgent, |()| "within 300 s".to_owned())?;

        self.output.say("\nThe agent's messages, and the consumer's replies:");
        let file = self.agent(&mut conversation, Agent::File("ring.png".to_owned()))?;
        let card = self.agent(
            &mut conversation,
            Agent::Card("Is this its ring?".to_owned(), vec!["That one".to_owned()]),
        )?;
        while let Some(receipt) = conversation.mark_delivered() {
            self.call(receipt, |_| "delivered".to_owned())?;
        }
        while let Some(receipt) = conversation.mark_read() {
            self.call(receipt, |_| "read".to_owned())?;
        }
        if let Event::File(file) = file.event() {
            let ask = conversation.download_url(file.relative_path);
            let url = self.call(ask, |_| "a signed URL for the agent's file".to_owned())?;
            self.call(GetFile::new(url), |bytes| count(bytes.len(), "byte"))?;
        }
        self.choose(&conversation, &card)?;

        self.output.say("\nThe end, and the survey:");
        self.call(conversation.close_dialog(), |()| "a survey may follow".to_owned())?;
        let question = self.next_message(&mut conversation)?;
        self.choose(&conversation, &question)?;
        self.call(conversation.rate(5, Resolution::Resolved), |()| "5 of 5".to_owned())?;
        self.installs()
    }

    fn upload(&self, conversation: &Conversation) -> Result<(), Failure> {
        let picture = vec![0x89, b'P', b'N', b'G', 1, 2, 3];
        let file = File::new("loft.png", picture);
        let file = file.map_err(|invalid| Failure::Local(invalid.to_string()))?;
        let mut upload = Upload::new(conversation.reference(), file);
        let origin = Instant::now();
        loop {
            let now = Mono::from_origin(origin.elapsed());
            match upload.poll(now) {
                UploadStep::GetUrl(ask) => {
                    let url = self.call(ask, |_| "a signed URL for a picture".to_owned())?;
                    upload.got_url(url, Mono::from_origin(origin.elapsed()));
                }
                UploadStep::Put(put) => {
                    let size = upload.file().size();
                    self.call(put, |()| count(size, "byte"))?;
                    upload.stored(Ok(()))?;
                }
                UploadStep::Publish(publish) => {
                    let sent = self.call(publish, |sent| format!("#{}", number(sent.sequence)))?;
                    upload.published(Completed::new(sent));
                }
                UploadStep::Done(_) => return Ok(()),
            }
        }
    }

    /// Clicks the last element of a message.
    fn choose(&self, conversation: &Conversation, message: &MessagingEvent) -> Result<(), Failure> {
        let click = match message.event() {
            Event::RichContent(rich) => {
                rich.clickable().last().and_then(|element| conversation.click(message, *element))
            }
            Event::Text(text) => {
                let last = text.quick_replies.and_then(|replies| replies.replies().last());
                last.and_then(|element| conversation.click(message, element))
            }
            _ => None,
        };
        let click = click.ok_or_else(|| Failure::Local("there is nothing to click".to_owned()))?;
        self.call(click.receipt, |_| "a button was clicked".to_owned())?;
        if let Some(text) = click.text {
            self.call(text, |_| "and its text".to_owned())?;
        }
        Ok(())
    }

    /// The agent does something. Returns the resulting message.
    fn agent(
        &self,
        conversation: &mut Conversation,
        action: Agent,
    ) -> Result<MessagingEvent, Failure> {
        let id = conversation.id().to_string();
        self.server.with(|cloud| {
            // The notification is taken directly, not posted.
            cloud.set_webhooks(unreachable_webhooks());
            cloud.agent(now(), &id, action).map_err(Failure::Local)?;
            drain(cloud, conversation)
        })
    }

    /// The next message for the consumer.
    fn next_message(&self, conversation: &mut Conversation) -> Result<MessagingEvent, Failure> {
        for _ in 0..50 {
            if let Ok(message) = self.server.with(|cloud| drain(cloud, conversation)) {
                return Ok(message);
            }
            // The sandbox is posting it to an address without an endpoint, and will queue it again.
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(Failure::Local("the sandbox has no notification".to_owned()))
    }

    fn installs(&self) -> Result<(), Failure> {
        self.output.say("\nThe app install itself:");
        let (user, password) = self.server.with(|cloud| {
            let (user, password) = cloud.config().admin();
            (user.to_owned(), Secret::new(password.to_owned()))
        });
        let user = self.call(Login::new(user, password), |_| "as an administrator".to_owned())?;
        let all = self.call(ListInstalls::new(user.clone()), |all| format!("{}", all.len()))?;
        let id = all.first().and_then(|one| one.id()).unwrap_or_default().to_owned();
        let read = self.call(ReadInstall::new(user.clone(), id.as_str()), |one| {
            format!("revision {}", one.revision.as_deref().unwrap_or("?"))
        })?;
        self.call(UpdateInstall::enabled(user, read, true), |()| "enabled".to_owned())?;
        Ok(())
    }
}

fn number(sequence: Option<u64>) -> String {
    sequence.map_or("?".to_owned(), |sequence| sequence.to_string())
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Webhooks without an endpoint. Notifications are kept long enough to be taken directly.
fn unreachable_webhooks() -> Webhooks {
    Webhooks::all_at("http://127.0.0.1:9/").retention(Duration::from_secs(3600))
}

/// Takes all notifications, and returns the last message for the consumer.
fn drain(
    cloud: &mut lp_connector_sandbox::Sandbox,
    conversation: &mut Conversation,
) -> Result<MessagingEvent, Failure> {
    let mut last = None;
    // Late enough that failed notifications are due again.
    let later = now() + Duration::from_secs(600);
    while let NextPost::Post(post) = cloud.next_post(later) {
        let notification = Verified::dangerous_unverified(post.request.body().clone());
        let notification =
            notification.parse().map_err(|unreadable| Failure::Local(unreadable.to_string()))?;
        for change in notification.into_changes() {
            conversation.apply(&change);
            if let Change::Message(message) = change
                && message.is_for_consumer()
            {
                last = Some(message);
            }
        }
        cloud.complete_post(later, post.id, Some(200));
    }
    last.ok_or_else(|| Failure::Local("the sandbox has no notification".to_owned()))
}
