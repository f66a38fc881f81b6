//! Scaling groups in a binary that was built without EC2: there is no cloud, so nothing here is ever asked.

use super::model::{Activity, Group, Policy, Refresh, Schedule};
use crate::actions::aws::AwsError;
use crate::actions::aws::api::Cloud;

impl Cloud {
    /// None.
    pub(in crate::actions::aws) async fn group(&self, _: &str) -> Result<Option<Group>, AwsError> {
        match *self {}
    }

    /// None.
    pub(in crate::actions::aws) async fn set_capacity(&self, _: &str, _: i64) -> Result<(), AwsError> {
        match *self {}
    }

    /// None.
    pub(in crate::actions::aws) async fn activities(&self, _: &str) -> Result<Vec<Activity>, AwsError> {
        match *self {}
    }

    /// None.
    pub(in crate::actions::aws) async fn policies(&self, _: &str) -> Result<Vec<Policy>, AwsError> {
        match *self {}
    }

    /// None.
    pub(in crate::actions::aws) async fn schedules(&self, _: &str) -> Result<Vec<Schedule>, AwsError> {
        match *self {}
    }

    /// None.
    pub(in crate::actions::aws) async fn refreshes(&self, _: &str) -> Result<Vec<Refresh>, AwsError> {
        match *self {}
    }
}
