//! The consumer's profile: the body of `userprofile.SetUserProfile` and its SDEs
//! ([protocol.md 6.2](crate::protocol#6.2)).
//!
//! Unset members are not sent. A profile is personal data: `Debug` shows only the number of SDEs.

use std::fmt;

use serde::Serialize;

/// The consumer's profile, which agents see. Without SDEs they see no consumer data
/// ([protocol.md 6.2](crate::protocol#6.2)).
///
/// ```
/// use lp_connector_core::api::{CustomerInfo, PersonalInfo, Profile};
///
/// let mut info = CustomerInfo::default();
/// info.social_id = Some("ring-0042".into());
/// let mut personal = PersonalInfo::default();
/// personal.firstname = Some("Ada".into());
/// let profile = Profile::new().customer_info(info).personal_info(personal);
/// assert_eq!(
///     serde_json::to_value(&profile)?,
///     serde_json::json!({"authenticatedData": {"lp_sdes": [
///         {"type": "ctmrinfo", "info": {"socialId": "ring-0042"}},
///         {"type": "personal", "personal": {"firstname": "Ada"}},
///     ]}}),
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Profile {
    #[serde(skip_serializing_if = "AuthenticatedData::is_empty")]
    authenticated_data: AuthenticatedData,
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// The user's id in the channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The URL of a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// The role: `consumer` in the official sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The URL of a background picture.
    #[serde(skip_serializing_if = "Option::is_none", rename = "backgndImgUri")]
    pub background_image_uri: Option<String>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Mobile number and mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_data: Option<PrivateData>,
}

impl Profile {
    /// An empty profile, which the service accepts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a `ctmrinfo` SDE.
    #[must_use]
    pub fn customer_info(mut self, info: CustomerInfo) -> Self {
        self.authenticated_data.lp_sdes.push(Sde::Ctmrinfo { info: Box::new(info) });
        self
    }

    /// Adds a `personal` SDE.
    #[must_use]
    pub fn personal_info(mut self, personal: PersonalInfo) -> Self {
        self.authenticated_data.lp_sdes.push(Sde::Personal { personal: Box::new(personal) });
        self
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("sdes", &self.authenticated_data.lp_sdes.len())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Default, Serialize)]
struct AuthenticatedData {
    lp_sdes: Vec<Sde>,
}

impl AuthenticatedData {
    fn is_empty(&self) -> bool {
        self.lp_sdes.is_empty()
    }
}

/// One SDE. The payload's member has another name for each type.
#[derive(Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Sde {
    Ctmrinfo { info: Box<CustomerInfo> },
    Personal { personal: Box<PersonalInfo> },
}

/// The `privateData` of a profile.
#[derive(Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PrivateData {
    /// Mobile number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mobile_num: Option<String>,
    /// Mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
}

/// The `ctmrinfo` SDE: the consumer as a customer. Every field is optional.
#[derive(Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CustomerInfo {
    /// Customer type or tier, such as `gold`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctype: Option<String>,
    /// Life-cycle status, such as `new`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cstatus: Option<String>,
    /// Balance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<f64>,
    /// Currency of the balance, such as `EUR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The customer's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// The consumer's id in the channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub social_id: Option<String>,
    /// The device's identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imei: Option<String>,
    /// User name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// Company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
    /// Branch of the company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company_branch: Option<String>,
    /// Job title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Number of employees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company_size: Option<u64>,
    /// Date of the last payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_payment_date: Option<Date>,
    /// Date of registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_date: Option<Date>,
    /// Login status. The documents list no values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_status: Option<i64>,
}

/// A date.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Date {
    day: u8,
    month: u8,
    year: i32,
}

impl Date {
    /// The date with this day and month, both from 1. Only the service validates it.
    #[must_use]
    pub const fn new(year: i32, month: u8, day: u8) -> Self {
        Self { day, month, year }
    }
}

/// The `personal` SDE: the consumer as a person. Every field is optional.
#[derive(Clone, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct PersonalInfo {
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firstname: Option<String>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lastname: Option<String>,
    /// Age or date of birth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<Age>,
    /// Ways to reach the person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<Contact>,
    /// Gender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<Gender>,
    /// Company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// Language, such as `en-US`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// Age in years, or the date of birth. The service needs `year` to compute the age.
#[derive(Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Age {
    /// Years.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<u16>,
    /// Year of birth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub year: Option<i32>,
    /// Month of birth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month: Option<u8>,
    /// Day of birth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<u8>,
}

/// One way to reach a person.
#[derive(Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Contact {
    /// Mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The kind of telephone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_type: Option<PhoneType>,
    /// Country and region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<PostalAddress>,
}

/// The postal address of a person.
#[derive(Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct PostalAddress {
    /// Country. An older page shows a code of two letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// The kind of telephone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the documents only name the values")]
pub enum PhoneType {
    Home,
    Mobile,
    Work,
    Fax,
    Main,
    HomeFax,
    WorkFax,
    Pager,
    Other,
}

/// Gender. It is sent as text; an older page shows numbers ([protocol.md 14](crate::protocol#14),
/// row 33).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the documents only name the values")]
pub enum Gender {
    Male,
    Female,
    Other,
}

macro_rules! personal_data {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

personal_data!(PrivateData CustomerInfo PersonalInfo Age Contact PostalAddress);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, to_value};

    #[test]
    fn an_empty_profile_is_an_empty_object() {
        assert_eq!(to_value(Profile::new()).unwrap(), json!({}));
    }

    #[test]
    fn every_field_has_its_documented_name_and_type() {
        let info = CustomerInfo {
            ctype: Some("vip".into()),
            cstatus: Some("new".into()),
            balance: Some(-12.5),
            currency: Some("EUR".into()),
            customer_id: Some("c".into()),
            social_id: Some("s".into()),
            imei: Some("i".into()),
            user_name: Some("u".into()),
            account_name: Some("a".into()),
            company_branch: Some("b".into()),
            role: Some("r".into()),
            company_size: Some(7),
            last_payment_date: Some(Date::new(2024, 3, 21)),
            registration_date: Some(Date::new(2020, 1, 2)),
            login_status: Some(1),
        };
        assert_eq!(
            to_value(info).unwrap(),
            json!({
                "ctype": "vip", "cstatus": "new", "balance": -12.5, "currency": "EUR",
                "customerId": "c", "socialId": "s", "imei": "i", "userName": "u",
                "accountName": "a", "companyBranch": "b", "role": "r", "companySize": 7,
                "lastPaymentDate": {"day": 21, "month": 3, "year": 2024},
                "registrationDate": {"day": 2, "month": 1, "year": 2020}, "loginStatus": 1,
            })
        );
        let personal = PersonalInfo {
            firstname: Some("Ada".into()),
            lastname: Some("Dove".into()),
            age: Some(Age { age: Some(30), year: Some(1994), month: Some(2), day: Some(3) }),
            contacts: vec![Contact {
                email: Some("e".into()),
                phone: Some("p".into()),
                phone_type: Some(PhoneType::HomeFax),
                address: Some(PostalAddress {
                    country: Some("de".into()),
                    region: Some("by".into()),
                }),
            }],
            gender: Some(Gender::Other),
            company: Some("c".into()),
            language: Some("en-US".into()),
        };
        assert_eq!(
            to_value(personal).unwrap(),
            json!({
                "firstname": "Ada", "lastname": "Dove",
                "age": {"age": 30, "year": 1994, "month": 2, "day": 3},
                "contacts": [{"email": "e", "phone": "p", "phoneType": "HOME_FAX",
                    "address": {"country": "de", "region": "by"}}],
                "gender": "OTHER", "company": "c", "language": "en-US",
            })
        );
    }

    #[test]
    fn debug_output_redacts_the_person() {
        let personal = PersonalInfo { firstname: Some("Ada".into()), ..PersonalInfo::default() };
        let shown = format!("{personal:?} {:?}", Profile::new().personal_info(personal.clone()));
        assert!(!shown.contains("Ada"), "{shown}");
    }

    #[test]
    fn every_member_of_a_profile_has_its_documented_name() {
        let private = PrivateData { mobile_num: Some("m".into()), mail: Some("e".into()) };
        let profile = Profile {
            first_name: Some("f".into()),
            last_name: Some("l".into()),
            user_id: Some("u".into()),
            avatar_url: Some("a".into()),
            role: Some("consumer".into()),
            background_image_uri: Some("b".into()),
            description: Some("d".into()),
            private_data: Some(private),
            ..Profile::new()
        };
        assert_eq!(
            to_value(profile).unwrap(),
            json!({"firstName": "f", "lastName": "l", "userId": "u", "avatarUrl": "a",
                "role": "consumer", "backgndImgUri": "b", "description": "d",
                "privateData": {"mobileNum": "m", "mail": "e"}})
        );
    }
}
