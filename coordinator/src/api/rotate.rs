//! The way of the site to another authority.

use bellows_proto::v1::{RotateAuthorityRequest, Rotation};
use tonic::Status;

use super::{Api, access::Principal, fault, users::shown};
use crate::{
    ca::rotation::{Asked, Refused},
    engine::World,
    renewal::RotateError,
};

impl<W: World> Api<W> {
    pub(super) fn rotation(&self) -> Result<Rotation, Status> {
        self.renewals.rotation(shown).map_err(|e| fault::store(&e))
    }

    pub(super) async fn rotate(
        &self,
        request: &RotateAuthorityRequest,
        who: &Principal,
    ) -> Result<Rotation, Status> {
        self.may_change()?;
        let asked: Asked = request.step.parse().map_err(|_| {
            fault::invalid(
                "a rotation is asked for start, next or back",
                "bellows ca rotate --help",
            )
        })?;
        let done = self.renewals.rotate(asked, request.without_users, &who.name).await;
        done.map_err(|e| refused(&e))?;
        self.rotation()
    }
}

fn refused(error: &RotateError) -> Status {
    let remedy = match error {
        RotateError::Refused(Refused::InTheWay { .. }) => {
            "bellows ca rotate status says what each lacks; one that never comes back: bellows host revoke or \
             remove; users: bellows access issue, or --without-users"
        }
        RotateError::Refused(Refused::OnlyForward) => {
            "bellows ca rotate status shows what is left to do"
        }
        RotateError::Refused(Refused::NotBegun) => "bellows ca rotate start begins",
        RotateError::Refused(Refused::Begun(_) | Refused::GoesBack(_)) => {
            "bellows ca rotate status shows how far it is"
        }
        RotateError::Make(_) => return fault::internal(error.to_string()),
        RotateError::Keep(kept) => {
            let why = std::error::Error::source(kept).map(ToString::to_string).unwrap_or_default();
            return fault::disk(format!("{error}: {why}; nothing was changed"));
        }
        RotateError::Store(error) => return fault::store(error),
    };
    fault::conflict(error.to_string(), remedy)
}
