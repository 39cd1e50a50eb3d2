//! Groups of points: those of a group share a ground, one after the other; groups share nothing.

use std::time::Instant;

use anyhow::Result;
use futures::future::{BoxFuture, FutureExt as _};

use super::{
    failover,
    ground::Ground,
    hosts::{self, OnHosts},
    machines::Machines,
    play,
    point::{Point, Verb},
    points,
    special::Special,
    tally::Line,
    troubles,
};

/// What to play of a group: all points whose full name (`GROUP: POINT`) has these words.
#[derive(Debug, Clone, Default)]
pub struct Wanted(pub Vec<String>);

impl Wanted {
    /// Whether a point is wanted.
    pub fn has(&self, group: &str, name: &str) -> bool {
        let full = format!("{group}: {name}");
        self.0.is_empty() || self.0.iter().any(|words| full.contains(words.as_str()))
    }
}

/// A group: its name, the names of its points, and how they are played.
pub struct Group {
    /// Its name.
    pub name: &'static str,
    /// Names of its points.
    pub points: Vec<&'static str>,
    /// Plays those that are wanted.
    pub play: fn(&'static str, Wanted) -> BoxFuture<'static, Vec<Line>>,
}

/// All groups, the longest first.
pub fn all() -> Vec<Group> {
    let table = |name, points: &'static [Point], play| Group {
        name,
        points: points.iter().map(|point| point.name).collect(),
        play,
    };
    let special = |name, points: &'static [Special], play| Group {
        name,
        points: points.iter().map(|point| point.name).collect(),
        play,
    };
    vec![
        Group {
            name: "hosts",
            points: hosts::POINTS.iter().map(|point| point.name).collect(),
            play: |name, wanted| on_hosts(name, hosts::POINTS, wanted).boxed(),
        },
        special("tools", troubles::TOOLS, |name, wanted| {
            specials(name, troubles::TOOLS, wanted).boxed()
        }),
        table("expand, tools", points::EXPAND_TOOL, |name, wanted| {
            on_a_cluster(name, points::EXPAND_TOOL, wanted).boxed()
        }),
        table("expand, coordinator", points::EXPAND_COORDINATOR, |name, wanted| {
            on_a_cluster(name, points::EXPAND_COORDINATOR, wanted).boxed()
        }),
        table("expand, agents", points::EXPAND_AGENT, |name, wanted| {
            on_a_cluster(name, points::EXPAND_AGENT, wanted).boxed()
        }),
        table("expand, servers", points::EXPAND_SERVER, |name, wanted| {
            on_a_cluster(name, points::EXPAND_SERVER, wanted).boxed()
        }),
        table("shrink", points::SHRINK, |name, wanted| {
            on_a_cluster(name, points::SHRINK, wanted).boxed()
        }),
        table("cancel", points::CANCEL, |name, wanted| {
            on_a_cluster(name, points::CANCEL, wanted).boxed()
        }),
        table("create", points::CREATE, |name, wanted| {
            on_an_empty_site(name, points::CREATE, wanted).boxed()
        }),
        table("create again", points::CREATE_MORE, |name, wanted| {
            on_an_empty_site(name, points::CREATE_MORE, wanted).boxed()
        }),
        special("logins and clocks", troubles::HOSTS, |name, wanted| {
            specials(name, troubles::HOSTS, wanted).boxed()
        }),
        special("failover by repmgrd", failover::BY_REPMGRD, |name, wanted| {
            specials(name, failover::BY_REPMGRD, wanted).boxed()
        }),
        special("failover by hand", failover::BY_HAND, |name, wanted| {
            specials(name, failover::BY_HAND, wanted).boxed()
        }),
        special("failover in a shrink", failover::IN_A_SHRINK, |name, wanted| {
            specials(name, failover::IN_A_SHRINK, wanted).boxed()
        }),
    ]
}

async fn on_a_cluster(group: &'static str, points: &[Point], wanted: Wanted) -> Vec<Line> {
    play_all(group, points, wanted, Ground::with_cluster().boxed()).await
}

async fn on_an_empty_site(group: &'static str, points: &[Point], wanted: Wanted) -> Vec<Line> {
    play_all(group, points, wanted, Ground::empty().boxed()).await
}

async fn play_all(
    group: &'static str,
    points: &[Point],
    wanted: Wanted,
    ground: BoxFuture<'static, Result<Ground>>,
) -> Vec<Line> {
    let points: Vec<&Point> = points.iter().filter(|point| wanted.has(group, point.name)).collect();
    let mut lines = Vec::new();
    let mut ground = match ground.await {
        Ok(ground) => ground,
        Err(error) => return nowhere(group, points.iter().map(|point| point.name), &error),
    };
    let mut rest = points.into_iter();
    while let Some(point) = rest.next() {
        let began = Instant::now();
        let outcome = play::play(&mut ground, point).await;
        let lost = outcome.is_err();
        lines.push(Line::tell(group, point.name, began, outcome));
        if lost {
            // What it left behind must not be another point's trouble.
            if let Err(error) = Box::pin(again(&mut ground, point)).await {
                lines.extend(nowhere(group, rest.by_ref().map(|point| point.name), &error));
            }
        }
    }
    if let Err(error) = ground.site.down() {
        let left = Line::tell(group, "nothing is left", Instant::now(), Err(error));
        lines.push(Line { hit: false, ..left });
    }
    lines
}

async fn specials(group: &'static str, points: &[Special], wanted: Wanted) -> Vec<Line> {
    let points: Vec<&Special> =
        points.iter().filter(|point| wanted.has(group, point.name)).collect();
    let mut lines = Vec::new();
    let mut ground = None;
    for point in points {
        let began = Instant::now();
        let mut here = match ground.take() {
            Some(ground) => ground,
            None => match Box::pin(Ground::with_cluster()).await {
                Ok(ground) => ground,
                Err(error) => {
                    lines.extend(nowhere(group, std::iter::once(point.name), &error));
                    continue;
                }
            },
        };
        let outcome = match (point.play)(&mut here).await {
            Ok(told) => Ok(told),
            Err(error) => Err(play::with_story(&here, error).await),
        };
        if outcome.is_ok() {
            ground = Some(here);
        }
        lines.push(Line::tell(group, point.name, began, outcome));
    }
    if let Some(Err(error)) = ground.map(|ground| ground.site.down()) {
        let left = Line::tell(group, "nothing is left", Instant::now(), Err(error));
        lines.push(Line { hit: false, ..left });
    }
    lines
}

async fn on_hosts(group: &'static str, points: &[OnHosts], wanted: Wanted) -> Vec<Line> {
    let points: Vec<&OnHosts> =
        points.iter().filter(|point| wanted.has(group, point.name)).collect();
    let mut lines = Vec::new();
    let mut machines = None;
    for point in points {
        let began = Instant::now();
        let mut here = match machines.take() {
            Some(machines) => machines,
            None => match Box::pin(Machines::up()).await {
                Ok(machines) => machines,
                Err(error) => {
                    lines.extend(nowhere(group, std::iter::once(point.name), &error));
                    continue;
                }
            },
        };
        let outcome = match (point.play)(&mut here).await {
            Ok(told) => Ok(told),
            Err(error) => Err(play::with_journal(&here.cli(), error).await),
        };
        if outcome.is_ok() {
            machines = Some(here);
        }
        lines.push(Line::tell(group, point.name, began, outcome));
    }
    lines
}

/// A fresh ground of the kind that a point needs.
async fn again(ground: &mut Ground, point: &Point) -> Result<()> {
    *ground = match point.verb {
        Verb::Create => Ground::empty().await?,
        Verb::Expand | Verb::Shrink => Ground::with_cluster().await?,
    };
    Ok(())
}

/// Points that could not be played, each of them failed.
pub fn nowhere(
    group: &'static str,
    names: impl Iterator<Item = &'static str>,
    error: &anyhow::Error,
) -> Vec<Line> {
    let why = |name| {
        let error = anyhow::anyhow!("there was no ground to play it on: {error:#}");
        Line { hit: false, ..Line::tell(group, name, Instant::now(), Err(error)) }
    };
    names.map(why).collect()
}
