//! AWS without AWS, for tests: requests are recorded, and answered with what the documentation says that AWS answers. The
//! SDK's own replay client would build the whole SDK a second time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use super::Cloud;
use crate::actions::aws::AwsError;
use crate::inventory;

/// The account that answers.
pub(in crate::actions::aws) const ACCOUNT: &str = "123456789012";

/// One prepared answer.
#[derive(Debug, Clone)]
pub(in crate::actions::aws) enum Answer {
    /// A status and a body, XML or JSON as the service speaks.
    Says(u16, String),
    /// The request is taken, and no answer comes.
    Nothing,
    /// Nobody takes the connection.
    Closed,
}

/// An answer as EC2 says no.
pub(in crate::actions::aws) fn ec2_error(status: u16, code: &str, message: &str) -> Answer {
    Answer::Says(
        status,
        format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>r-1</RequestID></Response>"
        ),
    )
}

/// An answer as the other XML services (load balancing, scaling groups, STS) say no.
pub(in crate::actions::aws) fn query_error(status: u16, code: &str, message: &str) -> Answer {
    Answer::Says(
        status,
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
        ),
    )
}

/// Who these credentials belong to, as STS answers.
pub(in crate::actions::aws) fn identity(account: &str) -> Answer {
    Answer::Says(
        200,
        format!(
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::{account}:user/t</Arn><UserId>U</UserId>\
             <Account>{account}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
        ),
    )
}

/// What was asked (the bodies, decoded no further), and what is still to be answered.
#[derive(Debug, Clone, Default)]
pub(in crate::actions::aws) struct Replay {
    asked: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

impl Replay {
    /// The way to a cloud that gives these answers, one a request in their order, after it was asked for its account.
    pub(in crate::actions::aws) async fn open(answers: impl IntoIterator<Item = Answer>) -> (Self, Cloud) {
        let replay = Self::of([identity(ACCOUNT)].into_iter().chain(answers));
        let cloud = replay.cloud(Some(ACCOUNT)).await.unwrap();
        replay.asked.lock().unwrap().clear();
        (replay, cloud)
    }

    /// The answers alone.
    pub(in crate::actions::aws) fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { asked: Arc::default(), answers: Arc::new(Mutex::new(answers.into_iter().collect())) }
    }

    /// A cloud whose requests come here.
    pub(in crate::actions::aws) async fn cloud(&self, account: Option<&str>) -> Result<Cloud, AwsError> {
        through(self.clone(), account).await
    }

    /// What was asked so far, a body each.
    pub(in crate::actions::aws) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// How many answers nobody asked for.
    pub(in crate::actions::aws) fn left(&self) -> usize {
        self.answers.lock().unwrap().len()
    }
}

/// A cloud whose requests go to whatever answers them.
pub(in crate::actions::aws) async fn through(
    answers: impl HttpConnector + 'static,
    account: Option<&str>,
) -> Result<Cloud, AwsError> {
    let of_inventory = inventory::Cloud {
        region: "eu-central-1".to_owned(),
        endpoint: Some("http://replay".to_owned()),
        profile: None,
        account: account.map(str::to_owned),
    };
    let connector = SharedHttpConnector::new(answers);
    let http = http_client_fn(move |_, _| connector.clone());
    let credentials = aws_sdk_sts::config::Credentials::new("AKID", "secret", None, None, "test");
    let reads = super::loader(&of_inventory, http).credentials_provider(credentials).load().await;
    Cloud::of_config("test", reads).identified(&of_inventory).await
}

impl HttpConnector for Replay {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        self.asked.lock().unwrap().push(body.unwrap_or_default());
        let answer = self.answers.lock().unwrap().pop_front();
        HttpConnectorFuture::ready(match answer {
            Some(Answer::Says(status, body)) => {
                Ok(HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body)))
            }
            Some(Answer::Nothing) => Err(ConnectorError::io("connection closed before message completed".into())),
            Some(Answer::Closed) => Err(ConnectorError::io("client error (Connect): refused".into())),
            None => Err(ConnectorError::user("the test has no answer to this request".into())),
        })
    }
}
