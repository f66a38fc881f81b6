//! Tokens and deliveries of a state that a server owns. A token itself never goes to the server from here: its digest does.

use serde::Deserialize;
use serde_json::{Value, json};

use super::reading::{escaped, time};
use super::{JournalError, Method, PAGE, ServedJournal, not_ours, read};
use crate::ids::Digest;
use crate::journal::{
    Claim, Delivered, Known, Logged, NewToken, News, Outbox, Pace, Standing, Subject, TokenRow, Tokens, Turn,
    Undelivered, Untold,
};
use crate::run::Time;

#[derive(Deserialize)]
struct AllTokens {
    tokens: Vec<OneToken>,
}

#[derive(Deserialize)]
struct OneToken {
    number: i64,
    name: String,
    roles: Vec<String>,
    by: String,
    at: String,
    expires: String,
    revoked: Option<Revoked>,
    used: Option<String>,
}

#[derive(Deserialize)]
struct Revoked {
    by: String,
    at: String,
}

impl OneToken {
    fn read(self) -> Result<TokenRow, JournalError> {
        let Self { number, name, roles, by, at, expires, revoked, used } = self;
        let revoked = match revoked {
            Some(revoked) => Some((revoked.by, time(&revoked.at)?)),
            None => None,
        };
        let used = used.as_deref().map(time).transpose()?;
        // What it is judged by stays where it is judged.
        let digest = Digest::of(b"");
        let token = NewToken { name, digest, roles, by, at: time(&at)?, expires: time(&expires)? };
        Ok(TokenRow { number, token, revoked, used })
    }
}

impl Tokens for ServedJournal {
    fn add_token(&mut self, token: &NewToken) -> Result<bool, JournalError> {
        let body = json!({
            "name": token.name, "digest": token.digest, "roles": token.roles,
            "seconds": token.expires.seconds_since(token.at),
        });
        match self.post::<Value>("/v1/tokens", &body) {
            Ok(_) => Ok(true),
            Err(JournalError::Refused(refused)) if refused.status == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn tokens(&mut self) -> Result<Vec<TokenRow>, JournalError> {
        let told: AllTokens = self.get("/v1/tokens")?;
        told.tokens.into_iter().map(OneToken::read).collect()
    }

    fn revoke_token(&mut self, name: &str, _: &str, _: Time) -> Result<bool, JournalError> {
        match self.server.ask(Method::Delete, &format!("/v1/tokens/{}", escaped(name)), None) {
            Ok(text) => read::<Value>(&text).map(|_| true),
            Err(JournalError::Refused(refused)) if refused.status == 404 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn token_used(&mut self, _: i64, _: Time) -> Result<(), JournalError> {
        Err(not_ours())
    }
}

impl Outbox for ServedJournal {
    fn know(&mut self, _: &str, _: Time) -> Result<(), JournalError> {
        Err(not_ours())
    }

    fn untold(&mut self, _: &str) -> Result<Vec<Untold>, JournalError> {
        Err(not_ours())
    }

    fn some_records(&mut self, _: &Subject, _: u64, _: usize) -> Result<Vec<News>, JournalError> {
        Err(not_ours())
    }

    fn claim(&mut self, _: &Claim, _: u64, _: Option<&str>, _: Pace, _: Time) -> Result<Turn, JournalError> {
        Err(not_ours())
    }

    fn told(&mut self, _: &Claim, _: u64, _: Option<&str>, _: bool, _: Time) -> Result<bool, JournalError> {
        Err(not_ours())
    }

    fn undelivered(&mut self, _: &Claim, _: &Undelivered, _: Time) -> Result<bool, JournalError> {
        Err(not_ours())
    }

    fn put_back(
        &mut self,
        target: Option<&str>,
        subject: Option<&Subject>,
        _: &str,
        _: Time,
    ) -> Result<usize, JournalError> {
        #[derive(Deserialize)]
        struct Back {
            put_back: usize,
        }
        let (run, incident) = match subject {
            Some(Subject::Run(run)) => (Some(run), None),
            Some(Subject::Incident(incident)) => (None, Some(incident)),
            None => (None, None),
        };
        let body = json!({ "target": target, "run": run, "incident": incident });
        let back: Back = self.post("/v1/outbox/retry", &body)?;
        Ok(back.put_back)
    }

    fn targets(&mut self) -> Result<Vec<Known>, JournalError> {
        #[derive(Deserialize)]
        struct Told {
            targets: Vec<Known>,
        }
        let told: Told = self.get("/v1/outbox")?;
        Ok(told.targets)
    }

    fn standings_of(&mut self, target: &str) -> Result<Vec<Standing>, JournalError> {
        Ok(self.standings()?.into_iter().filter(|one| one.target == target).collect())
    }

    fn standings(&mut self) -> Result<Vec<Standing>, JournalError> {
        #[derive(Deserialize)]
        struct Told {
            untold: Vec<Standing>,
        }
        let told: Told = self.get("/v1/outbox")?;
        Ok(told.untold)
    }

    fn oldest_untold(&mut self, _: &str) -> Result<Option<Time>, JournalError> {
        Err(not_ours())
    }

    fn version(&mut self) -> Result<i64, JournalError> {
        Err(not_ours())
    }
}

impl Delivered for ServedJournal {
    fn deliveries(&mut self, subject: &Subject, after: i64, most: usize) -> Result<Vec<Logged>, JournalError> {
        #[derive(Deserialize)]
        struct Told {
            deliveries: Vec<Logged>,
        }
        let of = match subject {
            Subject::Run(run) => format!("runs/{run}"),
            Subject::Incident(incident) => format!("incidents/{incident}"),
        };
        let told: Told = self.get(&format!("/v1/{of}/deliveries?after={after}&limit={}", most.clamp(1, PAGE)))?;
        Ok(told.deliveries)
    }
}
