//! The body of a session request: what the SDKs send, and our own keys that ride through them unchanged. `null` is absent.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tollgate_core::clock::UnixMillis;
use tollgate_core::command::PresentedSecret;
use tollgate_core::ids::ChannelId;
use tollgate_core::json::JsonObject;
use tollgate_core::limits::METADATA_BYTES_MAX;
use tollgate_core::records::TokenKind;
use tollgate_core::{Error, ErrorKind, Result};
use tollgate_node::SessionRequest;

use crate::fields;

/// Longest auth token that is read, in characters (source: social.plus's OpenAPI).
const AUTH_TOKEN_CHARS_MAX: usize = 100;
/// How the model begins that an SDK's `createUserToken` gives for its device; a login gives that of the device.
const TOKEN_MANAGER: &str = "token management API";
/// How the device ids of js-sdk 5 begin.
const LEGACY_DEVICE: &str = "ascwebsdkx";
/// What a session request may have. Others are passed over, unless the project wants to be strict.
const KNOWN: [&str; 18] = [
    "userId",
    "displayName",
    "authToken",
    "deviceId",
    "deviceInfo",
    "handle",
    "preferredLanguage",
    "authSignature",
    "authSignatureExpiresAt",
    "ttl",
    "expiresAt",
    "notBefore",
    "capabilities",
    "channels",
    "metadata",
    "idempotencyKey",
    "isVisitor",
    "isBot",
];

/// The fields of a body that are not null.
pub(super) struct Body<'a>(HashMap<String, &'a RawValue>);

impl<'a> Body<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self> {
        let mut fields: HashMap<String, &'a RawValue> = fields::object(body)?;
        fields.retain(|_, value| value.get() != "null");
        Ok(Self(fields))
    }

    /// Whether js-sdk 5 sent it.
    pub(super) fn is_legacy(&self) -> bool {
        let device = self.text("deviceId").ok().flatten();
        device.is_some_and(|device| device.starts_with(LEGACY_DEVICE))
            || self.device().is_ok_and(|device| device.contains_key("version") && !device.contains_key("sdkVersion"))
    }

    /// The first field that nobody knows.
    pub(super) fn unknown(&self) -> Option<&str> {
        self.0.keys().map(String::as_str).filter(|key| !KNOWN.contains(key)).min()
    }

    pub(super) fn session(&self) -> Result<SessionRequest> {
        let user_id =
            self.text("userId")?.ok_or_else(|| wrong("`userId` is missing: name the user, in 1 to 50 characters."))?;
        let auth_token = self.text("authToken")?;
        if auth_token.as_ref().is_some_and(|token| !(1..=AUTH_TOKEN_CHARS_MAX).contains(&token.chars().count())) {
            return Err(wrong(format!(
                "`authToken` must have 1 to {AUTH_TOKEN_CHARS_MAX} characters; leave it out if there is none."
            )));
        }
        let model = self.model()?;
        // Flutter's token manager sends no device at all.
        let is_user_token = model.as_ref().is_none_or(|model| model.starts_with(TOKEN_MANAGER));
        Ok(SessionRequest {
            user_id,
            display_name: self.text("displayName")?,
            auth_token: auth_token.map(PresentedSecret::new),
            kind: if is_user_token { TokenKind::UserToken } else { TokenKind::Session },
            grants: self
                .value("capabilities", "a list of {\"channels\": \"room-*\", \"operations\": [\"subscribe\"]}")?,
            channels: self.channels()?,
            metadata: self.metadata()?,
            idempotency_key: self.text("idempotencyKey")?,
            ..self.device_and_times(model)?
        })
    }

    /// What a session of a visitor or bot has: a device, and times.
    pub(super) fn device_and_times(&self, device_model: Option<String>) -> Result<SessionRequest> {
        let seconds: Option<u64> = self.value("ttl", "a whole number of seconds")?;
        Ok(SessionRequest {
            device_id: self.text("deviceId")?,
            device_model,
            life_ms: seconds.map(|seconds| seconds.saturating_mul(1_000)),
            expires_at: self.time("expiresAt")?,
            not_before: self.time("notBefore")?,
            ..SessionRequest::default()
        })
    }

    /// `deviceInfo.model`, if there is a device.
    pub(super) fn model(&self) -> Result<Option<String>> {
        let device = self.device()?;
        let text = |key: &str| device.get(key).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        Ok((!device.is_empty()).then(|| text("model").unwrap_or_default()))
    }

    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>> {
        self.value(name, "text")
    }

    fn device(&self) -> Result<HashMap<String, &'a RawValue>> {
        let Some(raw) = self.0.get("deviceInfo") else { return Ok(HashMap::new()) };
        serde_json::from_str(raw.get()).map_err(|_| wrong("`deviceInfo` must be an object, or null."))
    }

    fn channels(&self) -> Result<Vec<ChannelId>> {
        let ids: Vec<String> = self.value("channels", "a list of channel ids")?.unwrap_or_default();
        ids.iter().map(|id| ChannelId::new(id)).collect()
    }

    fn metadata(&self) -> Result<Option<JsonObject>> {
        let parse = |raw: &&RawValue| JsonObject::from_raw(raw, METADATA_BYTES_MAX);
        self.0.get("metadata").map(parse).transpose().map_err(|error| {
            Error::new(error.kind, format!("`metadata` must be a JSON object of at most {METADATA_BYTES_MAX} bytes."))
        })
    }

    fn time(&self, name: &'static str) -> Result<Option<UnixMillis>> {
        let wanted = "an RFC 3339 time like \"2030-01-31T12:00:00Z\"";
        let Some(text) = self.value::<String>(name, wanted)? else { return Ok(None) };
        let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(|_| wrong(format!("`{name}` must be {wanted}.")))?;
        Ok(Some(UnixMillis(u64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(0))))
    }

    fn value<T: DeserializeOwned>(&self, name: &'static str, wanted: &str) -> Result<Option<T>> {
        let parse = |raw: &&RawValue| serde_json::from_str(raw.get());
        self.0.get(name).map(parse).transpose().map_err(|_| wrong(format!("`{name}` must be {wanted}.")))
    }
}

fn wrong(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, detail)
}
