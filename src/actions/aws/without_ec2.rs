//! What stands in for AWS in a binary that was built without it: it refuses, and says so. There is no such cloud, so that
//! nothing behind an open way can ever be asked.

use super::AwsError;
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
}
