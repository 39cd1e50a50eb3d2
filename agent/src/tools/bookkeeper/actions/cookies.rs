//! Cookies: saved, deleted, made again. Never deleted where they were not saved.

use bellows_proto::v1::{
    BookkeeperDeleteCookie, BookkeeperRestoreCookie, BookkeeperSaveCookie, Fault, FaultCode,
};

use super::{about, shell};
use crate::{
    facilities::Runner as _,
    host::Access,
    tools::{
        JobContext, Note,
        bookkeeper::{saved, shell::cookie},
        bookkeeper_shell::{self as words, BookieId},
    },
};

/// Keeps a bookie's cookie among the records of this host.
pub(super) async fn save(
    action: &BookkeeperSaveCookie,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (at, id) = about(local, action.at.as_ref(), action.node.as_ref(), &action.bookie)?;
    match cookie(context, &at, &id).await? {
        Some(cookie) => {
            saved::keep_cookie(local, &id, &cookie)?;
            Ok(format!("the cookie of {id} is saved on this host"))
        }
        None if saved::cookie(local, &id)?.is_some() => {
            Ok(format!("{id} has no cookie any more; the one that was saved here stays"))
        }
        None => Err(Fault::new(
            FaultCode::NotFound,
            format!("{id} has no cookie in the metadata, so that none can be saved"),
        )
        .remedy(
            "see who deleted it; a bookie without a cookie starts only with empty directories",
        )),
    }
}

/// Refuses unless the cookie was saved here.
pub(super) fn saved_here(context: &JobContext, id: &BookieId) -> Result<String, Fault> {
    saved::cookie(context.local(), id)?.ok_or_else(|| {
        Fault::new(
            FaultCode::NotFound,
            format!("the cookie of {id} was not saved on this host: without it there would be no way back"),
        )
        .remedy("save it first")
    })
}

/// Deletes a bookie's cookie. Deleted already is fine.
pub(super) async fn delete(
    action: &BookkeeperDeleteCookie,
    context: &JobContext,
) -> Result<Note, Fault> {
    let (at, id) =
        about(context.local(), action.at.as_ref(), action.node.as_ref(), &action.bookie)?;
    let kept = saved_here(context, &id)?;
    match cookie(context, &at, &id).await? {
        None => return Ok(format!("{id} has no cookie")),
        Some(found) if found != kept => return Err(another(&id)),
        Some(_) => {}
    }
    let (command, finished) = shell(context, &at, &words::cookie_delete(&id)).await?;
    // The second delete has the same exit status as one that failed: only the cookie itself tells.
    if !finished.success() && cookie(context, &at, &id).await?.is_some() {
        return Err(words::failed(&command, &finished, "delete the cookie"));
    }
    Ok(format!("the cookie of {id} is deleted"))
}

/// Makes a bookie's cookie again out of what was saved. There already is fine.
pub(super) async fn restore(
    action: &BookkeeperRestoreCookie,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (at, id) = about(local, action.at.as_ref(), action.node.as_ref(), &action.bookie)?;
    let kept = match (saved::cookie(local, &id)?, cookie(context, &at, &id).await?) {
        // An undo of what never was.
        (None, Some(_)) => return Ok(format!("the cookie of {id} is there; none was saved here")),
        (None, None) => return saved_here(context, &id),
        (Some(kept), Some(found)) if found == kept => {
            return Ok(format!("the cookie of {id} is there"));
        }
        (Some(_), Some(_)) => return Err(another(&id)),
        (Some(kept), None) => kept,
    };
    let file = saved::passage(local)?.join("cookie");
    local.host.write(&file, kept.as_bytes(), &Access::owned(0o400, &at.os_user))?;
    let done = shell(context, &at, &words::cookie_create(&id, &file)).await;
    local.host.remove_file(&file)?;
    let (command, finished) = done?;
    if cookie(context, &at, &id).await?.as_ref() != Some(&kept) {
        return Err(words::failed(&command, &finished, "make the cookie again"));
    }
    Ok(format!("the cookie of {id} is there again"))
}

pub(super) fn another(id: &BookieId) -> Fault {
    Fault::new(
        FaultCode::Drift,
        format!("the cookie of {id} is another one than was saved here: a bookie came with that id since"),
    )
    .remedy("see which bookie has that id now; it is not the one that this operation is about")
}
