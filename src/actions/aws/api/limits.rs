//! Service Quotas: what this account may have at most. It only reads.

use aws_sdk_servicequotas::Client;

use super::super::AwsError;
use super::{Cloud, told};

impl Cloud {
    /// A limit of EC2 by its code; nothing where AWS has no such limit here.
    ///
    /// # Errors
    /// When it may not be asked for, or nobody answers.
    pub(in crate::actions::aws) async fn quota(&self, code: &str) -> Result<Option<f64>, AwsError> {
        let asked = Client::new(self.reads()).get_service_quota().service_code("ec2").quota_code(code);
        match asked.send().await.map_err(|error| told(self, &format!("the limit {code} (GetServiceQuota)"), error)) {
            Ok(said) => Ok(said.quota().and_then(|quota| quota.value())),
            Err(error) if error.is("NoSuchResourceException") => Ok(None),
            Err(error) => Err(error),
        }
    }
}
