//! The way to AWS: whose credentials, which region, how long, how often. Only `api/` knows the SDK. Reading requests are
//! repeated by the SDK; a changing one is sent again by us, and only after AWS said that it was not carried out.

mod groups;
mod instances;
mod limits;
mod targets;
mod told;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(super) mod replay;
#[cfg(test)]
pub(super) mod strict;

use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

pub(super) use self::told::told;
use super::AwsError;
use crate::inventory::{self, Inventory};

/// How long AWS has to take a connection.
const CONNECT: Duration = Duration::from_secs(4);
/// And to answer: a launch may take some seconds.
const ANSWER: Duration = Duration::from_secs(25);
/// How often a reading request is sent in all.
const ATTEMPTS: u32 = 4;
/// How long the SDK waits before it repeats one, at first.
const FIRST: Duration = Duration::from_millis(300);
/// How long a changing request waits before it is sent again after AWS said that it is asked too often.
const BACKOFF: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// An open way to one cloud of the inventory; its account was asked for and is the inventory's.
pub(in crate::actions) struct Cloud {
    name: String,
    account: String,
    reads: SdkConfig,
    changes: SdkConfig,
}

impl Cloud {
    /// Opens the way to a cloud, and holds that its account is the one that the inventory names.
    ///
    /// # Errors
    /// When it is not in the inventory, is another account, or AWS does not say which it is.
    pub(in crate::actions) async fn open(inventory: &Inventory, name: &str) -> Result<Self, AwsError> {
        let cloud = inventory.cloud(name).map_err(|error| AwsError::Invalid(error.to_string()))?;
        let plain = cloud.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        Self::through(name, cloud, http_client(plain)).await
    }

    async fn through(name: &str, cloud: &inventory::Cloud, http: SharedHttpClient) -> Result<Self, AwsError> {
        let reads = loader(cloud, http).load().await;
        Self::of_config(name, reads).identified(cloud).await
    }

    fn of_config(name: &str, reads: SdkConfig) -> Self {
        let changes = reads.to_builder().retry_config(RetryConfig::disabled()).build();
        Self { name: name.to_owned(), account: String::new(), reads, changes }
    }

    async fn identified(mut self, cloud: &inventory::Cloud) -> Result<Self, AwsError> {
        let asked = aws_sdk_sts::Client::new(&self.reads).get_caller_identity().send().await;
        let said = asked.map_err(|error| told(&self, "whose credentials these are (GetCallerIdentity)", error))?;
        self.account = said.account.unwrap_or_default();
        match &cloud.account {
            Some(wanted) if *wanted != self.account => Err(AwsError::Invalid(format!(
                "the credentials that were found for the cloud {} belong to the account {}, and the inventory says {wanted}: nothing is \
                 done there. Take the right profile (`profile` in the inventory, or AWS_PROFILE)",
                self.name, self.account
            ))),
            _ => Ok(self),
        }
    }

    /// The account's number.
    pub(in crate::actions) fn account(&self) -> &str {
        &self.account
    }

    /// The cloud's name in the inventory, with its region, for a person.
    pub(in crate::actions) fn place(&self) -> String {
        let region = self.reads.region().map_or("", |region| region.as_ref());
        format!("{} ({region})", self.name)
    }

    /// What clients for requests that only read are made from.
    pub(super) fn reads(&self) -> &SdkConfig {
        &self.reads
    }

    /// What clients for requests that change something are made from: each is sent once.
    pub(super) fn changes(&self) -> &SdkConfig {
        &self.changes
    }

    /// Sends a changing request, and again as long as AWS says that it is asked too often: that much is certain not to have
    /// been carried out. Any other end is given back as it is.
    pub(super) async fn patiently<T, F>(&self, mut send: impl FnMut() -> F) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, AwsError>>,
    {
        for wait in BACKOFF {
            match send().await {
                Err(AwsError::Throttled(text)) => {
                    tracing::warn!(wait = wait.as_secs_f64(), "{text}; it is sent again");
                    tokio::time::sleep(wait).await;
                }
                ended => return ended,
            }
        }
        send().await
    }
}

fn loader(cloud: &inventory::Cloud, http: SharedHttpClient) -> ConfigLoader {
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(ANSWER).operation_attempt_timeout(ANSWER);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.clone())
        .region(Region::new(cloud.region.clone()))
        .timeout_config(timeouts.build())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST));
    if let Ok(app) = AppName::new("playbook") {
        loader = loader.app_name(app);
    }
    if let Some(profile) = &cloud.profile {
        // The default chain takes keys out of the environment before those of any profile; the inventory says whose they are.
        let way = ProviderConfig::without_region()
            .with_http_client(http)
            .with_region(Some(Region::new(cloud.region.clone())));
        let own = ProfileFileCredentialsProvider::builder().configure(&way).profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(own);
    }
    if let Some(endpoint) = &cloud.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    loader
}

/// Over TLS with ring, as everything here; a test server on `http://` needs none of this machine's authorities.
fn http_client(plain: bool) -> SharedHttpClient {
    if plain {
        return Builder::new().build_http();
    }
    Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https()
}
