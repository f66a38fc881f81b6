//! What stands in for AWS in a binary that was built without it: it refuses, and says so. There is no such cloud, so that
//! nothing behind an open way can ever be asked.

use super::AwsError;
use super::seen::{Instance, Launch, Member, Mode, TargetGroup, Template, Verb};
use crate::inventory::Inventory;

/// A way to a cloud, which this binary never has.
pub(in crate::actions) enum Cloud {}

impl Cloud {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub(in crate::actions) async fn open(_: &Inventory, name: &str) -> Result<Self, AwsError> {
        Err(AwsError::Invalid(format!(
            "this binary was built without EC2: it does nothing in the cloud {name}. Build it with `--features ec2`"
        )))
    }

    /// None.
    pub(in crate::actions) fn account(&self) -> &str {
        match *self {}
    }

    /// None.
    pub(in crate::actions) fn place(&self) -> String {
        match *self {}
    }

    pub(super) async fn instances(&self, _: &[String]) -> Result<Vec<Instance>, AwsError> {
        match *self {}
    }

    pub(super) async fn tagged(&self, _: &str, _: &str) -> Result<Vec<Instance>, AwsError> {
        match *self {}
    }

    pub(super) async fn running(&self) -> Result<Vec<Instance>, AwsError> {
        match *self {}
    }

    pub(super) async fn template(&self, _: &str, _: &str) -> Result<Template, AwsError> {
        match *self {}
    }

    pub(super) async fn vcpus(&self, _: &str) -> Result<Option<i64>, AwsError> {
        match *self {}
    }

    pub(super) async fn quota(&self, _: &str) -> Result<Option<f64>, AwsError> {
        match *self {}
    }

    pub(super) async fn launch(&self, _: &Launch, _: Mode) -> Result<Vec<Instance>, AwsError> {
        match *self {}
    }

    pub(super) async fn tell(&self, _: Verb, _: &[String], _: Mode) -> Result<(), AwsError> {
        match *self {}
    }

    pub(super) async fn modify_type(&self, _: &str, _: &str, _: Mode) -> Result<(), AwsError> {
        match *self {}
    }

    pub(super) async fn target_group(&self, _: &str) -> Result<TargetGroup, AwsError> {
        match *self {}
    }

    pub(super) async fn members(&self, _: &str) -> Result<Vec<Member>, AwsError> {
        match *self {}
    }

    pub(super) async fn registered(
        &self,
        _: &TargetGroup,
        _: &[(String, Option<i32>)],
        _: bool,
    ) -> Result<(), AwsError> {
        match *self {}
    }
}
