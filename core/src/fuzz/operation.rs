//! Operations of every kind, with any text in them.

use std::fmt::Debug;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use serde_json::{Value, json};

use super::words::WORDS;
use crate::api::{
    Age, AppInstall, Campaign, ChatState, ClientProperties, CloseConversation, CloseDialog,
    Contact, ConversationContext, ConversationRef, CreateInstall, CustomerInfo, Date,
    DeleteInstall, FindEngagement, Gender, GenerateDownloadUrl, GenerateUploadUrl, GetClock,
    GetFile, HostedFile, Identity, ListDomains, ListInstalls, Login, OpenConversation, Operation,
    PersonalInfo, PhoneType, PostalAddress, PrivateData, Profile, PutFile, RateConversation,
    Rating, ReadInstall, Receipt, ReportActivity, Resolution, ResponseView, SendFile, SendReceipt,
    SendText, SetChatState, SetUrgency, SignedUrl, UpdateInstall, UpdateProfile, Urgency,
    UserSession, Visitor,
};
use crate::id::{ClientId, ConversationId, DialogId, ExtConsumerId};
use crate::secret::Secret;

/// Something to do with an operation of any type.
pub(super) trait Use {
    type Output;

    fn with<O: Operation<Output: Debug> + Debug + 'static>(self, operation: O) -> Self::Output;
}

/// The password of a user: no output may contain it.
pub(super) const PASSWORD: &str = "fuzz-canary-password";

/// Makes an operation of the input. An id in it may be invalid: that is an error here.
pub(super) fn operation<U: Use>(input: &mut Unstructured<'_>, user: U) -> Result<U::Output> {
    Ok(match input.int_in_range(0..=24u8)? {
        0 => user.with(ListDomains::new()),
        1 => user.with(open(input)?),
        2 => {
            let mut send = SendText::new(&conversation(input)?, text(input)?);
            if input.arbitrary()? {
                send = send.metadata(value(input)?);
            }
            user.with(send)
        }
        3 => user.with(SendFile::new(&conversation(input)?, file(input)?).metadata(value(input)?)),
        4 => {
            const RECEIPTS: [Receipt; 5] =
                [Receipt::Accept, Receipt::Read, Receipt::Access, Receipt::Nack, Receipt::Action];
            let sequences: Vec<u64> = input.arbitrary()?;
            let receipt = *input.choose(&RECEIPTS)?;
            let send = SendReceipt::new(&conversation(input)?, receipt, sequences);
            user.with(if input.arbitrary()? { send.metadata(value(input)?) } else { send })
        }
        5 => {
            const STATES: [ChatState; 5] = [
                ChatState::Active,
                ChatState::Inactive,
                ChatState::Gone,
                ChatState::Composing,
                ChatState::Pause,
            ];
            user.with(SetChatState::new(&conversation(input)?, *input.choose(&STATES)?))
        }
        6 => {
            let close = CloseConversation::new(&conversation(input)?);
            user.with(if input.arbitrary()? { close.without_survey() } else { close })
        }
        7 => user.with(CloseDialog::new(&conversation(input)?)),
        8 => {
            const RATINGS: [Rating; 3] = [Rating::Filled, Rating::PartiallyFilled, Rating::Skipped];
            let resolution =
                if input.arbitrary()? { Resolution::Resolved } else { Resolution::Unresolved };
            let rate = RateConversation::new(&conversation(input)?, input.arbitrary()?, resolution);
            user.with(rate.status(*input.choose(&RATINGS)?))
        }
        9 => {
            let within = Duration::from_millis(input.arbitrary()?);
            user.with(SetUrgency::new(&conversation(input)?, urgency(input)?, within))
        }
        10 => user.with(UpdateProfile::new(&conversation(input)?, profile(input)?)),
        11 => user.with(GetClock::new(&conversation(input)?)),
        12 => {
            let size = input.arbitrary()?;
            user.with(GenerateUploadUrl::new(&conversation(input)?, size, text(input)?))
        }
        13 => user.with(GenerateDownloadUrl::new(&conversation(input)?, text(input)?)),
        14 => user.with(PutFile::new(url(input)?, input.arbitrary::<Vec<u8>>()?)),
        15 => user.with(GetFile::new(url(input)?)),
        16 => {
            let mut find = FindEngagement::new(client(input)?).client(value(input)?);
            for _ in 0..input.int_in_range(0..=3u8)? {
                find = match input.int_in_range(0..=3u8)? {
                    0 => find.visitor(Visitor::new(text(input)?, text(input)?)),
                    1 => find.identity(identity(input)?),
                    2 => find.entry_point(text(input)?),
                    _ => find.attribute(value(input)?),
                };
            }
            user.with(find)
        }
        17 => {
            let mut report = ReportActivity::new(client(input)?).page(text(input)?);
            for _ in 0..input.int_in_range(0..=3u8)? {
                report = match input.int_in_range(0..=3u8)? {
                    0 => report.visitor(Visitor::new(text(input)?, text(input)?)),
                    1 => report.identity(identity(input)?),
                    2 => report.entry_point(text(input)?),
                    _ => report.attribute(value(input)?),
                };
            }
            user.with(report)
        }
        18 => user.with(Login::new(text(input)?, Secret::new(PASSWORD.to_owned()))),
        19 => user.with(ListInstalls::new(session()?)),
        20 => user.with(ReadInstall::new(session()?, text(input)?)),
        21 => user.with(CreateInstall::new(session()?, value(input)?)),
        22 => {
            let enabled = input.arbitrary()?;
            user.with(UpdateInstall::enabled(session()?, install(input)?, enabled))
        }
        23 => user.with(UpdateInstall::new(session()?, install(input)?)),
        _ => user.with(DeleteInstall::new(session()?, install(input)?)),
    })
}

/// A word of the protocol, or any text.
pub(super) fn text<'a>(input: &mut Unstructured<'a>) -> Result<&'a str> {
    if input.arbitrary()? { input.arbitrary() } else { input.choose(WORDS).copied() }
}

/// JSON of any shape, but not deep.
fn value(input: &mut Unstructured<'_>) -> Result<Value> {
    Ok(match input.int_in_range(0..=5u8)? {
        0 => json!(null),
        1 => json!(input.arbitrary::<i64>()?),
        2 => json!(text(input)?),
        3 => json!([{"type": text(input)?, "id": text(input)?}]),
        4 => json!([text(input)?, input.arbitrary::<f64>()?, [{}]]),
        _ => json!({text(input)?: input.arbitrary::<bool>()?, text(input)?: text(input)?}),
    })
}

pub(super) fn consumer(input: &mut Unstructured<'_>) -> Result<ExtConsumerId> {
    ExtConsumerId::new(text(input)?).map_err(|_| arbitrary::Error::IncorrectFormat)
}

fn client(input: &mut Unstructured<'_>) -> Result<ClientId> {
    ClientId::new(text(input)?).map_err(|_| arbitrary::Error::IncorrectFormat)
}

fn conversation(input: &mut Unstructured<'_>) -> Result<ConversationRef> {
    let consumer = consumer(input)?;
    let id = ConversationId::new(text(input)?).map_err(|_| arbitrary::Error::IncorrectFormat)?;
    let mut conversation = ConversationRef::new(consumer, id);
    if input.arbitrary()? {
        let dialog = DialogId::new(text(input)?).map_err(|_| arbitrary::Error::IncorrectFormat)?;
        conversation = conversation.in_dialog(dialog);
    }
    if input.arbitrary()? {
        let properties = properties(input)?;
        conversation = conversation.with_client_properties(properties.clone());
        assert_eq!(conversation.client_properties(), Some(&properties));
    }
    let stored = serde_json::to_string(&conversation).expect("JSON");
    let again: ConversationRef = serde_json::from_str(&stored).expect("what was stored");
    assert_eq!(&again, AsRef::<ConversationRef>::as_ref(&conversation), "{stored}");
    Ok(conversation)
}

fn properties(input: &mut Unstructured<'_>) -> Result<ClientProperties> {
    assert_eq!(ClientProperties::default(), ClientProperties::new());
    let properties = ClientProperties::default().feature(text(input)?).app_id(text(input)?);
    Ok(properties.app_version(text(input)?).device_family(text(input)?).os(text(input)?))
}

fn urgency(input: &mut Unstructured<'_>) -> Result<Urgency> {
    const ALL: [Urgency; 4] =
        [Urgency::Custom, Urgency::Normal, Urgency::Urgent, Urgency::Prioritized];
    Ok(*input.choose(&ALL)?)
}

fn open(input: &mut Unstructured<'_>) -> Result<OpenConversation> {
    let mut open = OpenConversation::new(consumer(input)?);
    for _ in 0..input.int_in_range(0..=4u8)? {
        open = match input.int_in_range(0..=6u8)? {
            0 => open.profile(profile(input)?),
            1 => open.urgency(urgency(input)?),
            2 => open.skill(text(input)?),
            3 => open.campaign(Campaign::new(text(input)?, input.arbitrary::<u64>()?)),
            4 => {
                let mut context = ConversationContext::default();
                assert_eq!(context, ConversationContext::new());
                context.lang = Some(text(input)?.to_owned());
                context.visitor_id = Some(text(input)?.to_owned());
                open.context(context)
            }
            5 => open.client_properties(properties(input)?),
            _ => {
                let last = ConversationId::new(text(input)?);
                open.last_known(last.map_err(|_| arbitrary::Error::IncorrectFormat)?)
            }
        };
    }
    Ok(open)
}

fn profile(input: &mut Unstructured<'_>) -> Result<Profile> {
    let mut any = || text(input).map(|text| Some(text.to_owned()));
    let mut profile = Profile::new();
    profile.first_name = any()?;
    let private = PrivateData { mobile_num: any()?, mail: any()? };
    // Whatever is in it.
    assert_eq!(format!("{private:?}"), "PrivateData(..)");
    profile.private_data = Some(private);
    let customer = CustomerInfo { ctype: any()?, customer_id: any()?, ..CustomerInfo::default() };
    let address = PostalAddress { country: any()?, region: any()? };
    let contact = Contact {
        email: any()?,
        phone: any()?,
        phone_type: Some(PhoneType::Mobile),
        address: Some(address),
    };
    let date = Date::new(input.arbitrary()?, input.arbitrary()?, input.arbitrary()?);
    let balance = input.arbitrary()?;
    profile =
        profile.customer_info(CustomerInfo { balance, last_payment_date: Some(date), ..customer });
    let age = Age { age: input.arbitrary()?, year: Some(1815), month: None, day: Some(10) };
    Ok(profile.personal_info(PersonalInfo {
        age: Some(age),
        contacts: vec![contact],
        gender: Some(Gender::Other),
        ..PersonalInfo::default()
    }))
}

fn file(input: &mut Unstructured<'_>) -> Result<HostedFile> {
    let path = text(input)?;
    let mut file = HostedFile::new(path, text(input)?);
    assert_eq!(file.relative_path(), path);
    if input.arbitrary()? {
        file = file.caption(text(input)?);
    }
    Ok(if input.arbitrary()? { file.preview(text(input)?) } else { file })
}

fn identity(input: &mut Unstructured<'_>) -> Result<Identity> {
    let identity = if input.arbitrary()? {
        Identity::authenticated(text(input)?)
    } else {
        Identity::unauthenticated(text(input)?)
    };
    Ok(if input.arbitrary()? { identity.issuer(text(input)?) } else { identity })
}

/// What the service answered, as the operation reads it.
fn answered<O: Operation>(operation: &O, answer: &Value) -> Result<O::Output> {
    let response = http::Response::new(answer.to_string().into());
    let output = operation.parse(&ResponseView::new(&response, false));
    output.map_err(|_| arbitrary::Error::IncorrectFormat)
}

fn url(input: &mut Unstructured<'_>) -> Result<SignedUrl> {
    let body = json!({"relativePath": text(input)?, "queryParams": {text(input)?: text(input)?}});
    let ask = GenerateUploadUrl::new(&super::conversation(), 1, "png");
    answered(&ask, &json!({"code": "OK", "body": body}))
}

/// A session, as the login service opens it.
pub(super) fn session() -> Result<UserSession> {
    let login = Login::new("ada", Secret::new(PASSWORD.to_owned()));
    let domains = json!({"baseURIs": [{"service": "accountConfigReadWrite", "account": "91827364",
        "baseURI": "z1.ac.liveperson.net"}]});
    answered(
        &login,
        &json!({"bearer": "fuzz-canary-bearer", "config": {"userId": "7"},
        "csdsCollectionResponse": domains}),
    )
}

fn install(input: &mut Unstructured<'_>) -> Result<AppInstall> {
    let record = json!({"id": text(input)?, "client_id": text(input)?, "client_secret": PASSWORD,
        "enabled": input.arbitrary::<bool>()?, "scope": text(input)?, text(input)?: value(input)?});
    answered(&ReadInstall::new(session()?, "x"), &record)
}
