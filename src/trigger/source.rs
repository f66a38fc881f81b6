//! A sender of alerts as the configuration knows it: whether a request is theirs, and what is in it. The body is proved as it
//! came, byte by byte, before anything of it is read.

use jiff::Timestamp;
use serde_json::Value;

use super::error::TriggerError;
use super::proof::{self, Headers, Keys};
use super::{Delivery, alertmanager, json, pagerduty, standard_webhooks};
use crate::config::{Hook, HookFields, HookKind, HookProof, webhook_key};

/// The largest body that is taken, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// Grafana's header, where another is not configured there.
const GRAFANA_SIGNATURE: &str = "X-Grafana-Alerting-Signature";

/// A sender of alerts.
#[derive(Debug, Clone)]
pub struct Source {
    name: String,
    kind: HookKind,
    proof: HookProof,
    user: String,
    keys: Keys,
    signature_header: String,
    timestamp_header: Option<String>,
    fields: HookFields,
}

impl Source {
    /// A sender with the secrets that its references lead to, in any order.
    ///
    /// # Errors
    /// When a secret cannot be one of this kind. It is not repeated.
    pub fn of(name: &str, hook: &Hook, secrets: &[&str]) -> Result<Self, TriggerError> {
        let keys = secrets
            .iter()
            .map(|secret| match hook.kind {
                HookKind::StandardWebhooks => webhook_key(secret),
                _ => Ok(secret.as_bytes().to_vec()),
            })
            .collect::<Result<Vec<_>, _>>();
        let keys = keys.map_err(|why| TriggerError::Unusable(format!("`hooks.{name}` cannot be used: {why}")))?;
        Ok(Self { keys: Keys::new(keys), ..Self::unproved(name, hook) })
    }

    /// A sender without secrets: what it sends can be read, and `receive` takes nothing.
    pub fn unproved(name: &str, hook: &Hook) -> Self {
        Self {
            name: name.to_owned(),
            kind: hook.kind,
            proof: hook.proof(),
            user: hook.user.clone().unwrap_or_default(),
            keys: Keys::new(Vec::new()),
            signature_header: hook.signature_header.clone().unwrap_or_else(|| GRAFANA_SIGNATURE.to_owned()),
            timestamp_header: hook.timestamp_header.clone(),
            fields: hook.fields.clone().unwrap_or_default(),
        }
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it speaks.
    pub fn kind(&self) -> HookKind {
        self.kind
    }

    /// Takes a request: proves who sent it, then reads it.
    ///
    /// # Errors
    /// When it is not proved, too old, too large, or cannot be read. Nothing of it may be used then.
    pub fn receive(&self, headers: &Headers, body: &[u8], now: Timestamp) -> Result<Delivery, TriggerError> {
        bounded(body)?;
        let id = self.prove(headers, body, now)?;
        let delivery = self.read(body)?;
        if self.kind == HookKind::Pagerduty {
            // Nothing else of it tells a copy that somebody kept from one that is sent now.
            pagerduty::recent(&self.name, body, now)?;
        }
        Ok(match id {
            Some(id) => Delivery { id, ..delivery },
            None => delivery,
        })
    }

    /// Reads a body that was proved before, or that somebody here has in a file.
    ///
    /// # Errors
    /// When it is too large or cannot be read.
    pub fn read(&self, body: &[u8]) -> Result<Delivery, TriggerError> {
        bounded(body)?;
        let body: Value = serde_json::from_slice(body).map_err(|error| TriggerError::Malformed {
            name: self.name.clone(),
            why: format!("it is no JSON ({error})"),
        })?;
        match self.kind {
            HookKind::Alertmanager | HookKind::Grafana => alertmanager::read(&self.name, self.kind, &body),
            HookKind::Pagerduty => pagerduty::read(&self.name, &body),
            HookKind::StandardWebhooks | HookKind::Json => json::read(&self.name, &self.fields, &body),
        }
    }

    /// Whether it is theirs, and the name of the delivery where that was proved with it.
    fn prove(&self, headers: &Headers, body: &[u8], now: Timestamp) -> Result<Option<String>, TriggerError> {
        let unproved = |why: String| TriggerError::Unproved { name: self.name.clone(), why };
        match (self.proof, self.kind) {
            (HookProof::Bearer, _) => proof::bearer(headers, &self.keys).map_err(unproved)?,
            (HookProof::Basic, _) => proof::basic(headers, &self.user, &self.keys).map_err(unproved)?,
            (HookProof::Signature, HookKind::Grafana) => self.signed_by_grafana(headers, body, now)?,
            (HookProof::Signature, HookKind::Pagerduty) => {
                pagerduty::prove(headers, body, &self.keys).map_err(unproved)?;
            }
            (HookProof::Signature, HookKind::StandardWebhooks) => {
                let signed = standard_webhooks::prove(headers, body, &self.keys).map_err(unproved)?;
                proof::recent(signed.at, now, proof::PATIENCE)?;
                return Ok(Some(signed.id));
            }
            // The configuration is refused where a kind has no signature.
            (HookProof::Signature, HookKind::Alertmanager | HookKind::Json) => {
                return Err(unproved("this kind has no signature".to_owned()));
            }
        }
        Ok(None)
    }

    /// Grafana signs the body, or where a header for it is set there, the time, a colon and the body.
    fn signed_by_grafana(&self, headers: &Headers, body: &[u8], now: Timestamp) -> Result<(), TriggerError> {
        let unproved = |why: String| TriggerError::Unproved { name: self.name.clone(), why };
        let given = headers.one(&self.signature_header).map_err(unproved)?;
        let signature = proof::unhex(given).ok_or_else(|| unproved("its signature is not hexadecimal".to_owned()))?;
        let at = self.timestamp_header.as_ref().map(|name| headers.one(name)).transpose().map_err(unproved)?;
        let parts: &[&[u8]] = match at {
            Some(at) => &[at.as_bytes(), b":", body],
            None => &[body],
        };
        if !self.keys.signed(parts, &[signature]) {
            return Err(unproved(proof::unfit("its signature", &self.keys)));
        }
        let Some(at) = at else { return Ok(()) };
        let seconds = at.parse::<i64>().map_err(|_| unproved("the time that it signed is no number".to_owned()))?;
        proof::recent(seconds, now, proof::PATIENCE)
    }
}

fn bounded(body: &[u8]) -> Result<(), TriggerError> {
    if body.len() > MAX_BODY {
        return Err(TriggerError::TooLarge(format!("{} bytes, and {MAX_BODY} is the most", body.len())));
    }
    Ok(())
}
