//! Groups of points: those of a group share a ground, one after the other; groups share nothing.

use std::time::Instant;

use anyhow::Result;
use futures::future::{BoxFuture, FutureExt as _};

use super::{
    failover,
    ground::Ground,
    hosts, kwdb, moves, play,
    point::{Point, Verb},
    points, returns,
    scene::Scene,
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
    vec![
        Group {
            name: "moves on hosts",
            points: moves::POINTS.iter().map(|point| point.name).collect(),
            play: |name, wanted| moves(name, wanted).boxed(),
        },
        special("returns on hosts", returns::POINTS, |name, wanted| {
            specials(name, returns::POINTS, wanted).boxed()
        }),
        special("KWDB on hosts", kwdb::POINTS, |name, wanted| {
            specials(name, kwdb::POINTS, wanted).boxed()
        }),
        special("hosts", hosts::POINTS, |name, wanted| {
            specials(name, hosts::POINTS, wanted).boxed()
        }),
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

fn special<G>(
    name: &'static str,
    points: &'static [Special<G>],
    play: fn(&'static str, Wanted) -> BoxFuture<'static, Vec<Line>>,
) -> Group {
    Group { name, points: points.iter().map(|point| point.name).collect(), play }
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

async fn specials<G: Scene>(
    group: &'static str,
    points: &[Special<G>],
    wanted: Wanted,
) -> Vec<Line> {
    fn play<'a, G>(scene: &'a mut G, point: &'a Special<G>) -> BoxFuture<'a, Result<String>> {
        (point.play)(scene)
    }
    each(group, points, |point| point.name, play, wanted).await
}

async fn moves(group: &'static str, wanted: Wanted) -> Vec<Line> {
    each(group, moves::POINTS, |point| point.name, moves::play, wanted).await
}

/// How a point is played on a scene.
type Play<G, P> = for<'a> fn(&'a mut G, &'a P) -> BoxFuture<'a, Result<String>>;

/// One after the other on one scene; on a fresh one after each that did not end well.
async fn each<G: Scene, P>(
    group: &'static str,
    points: &[P],
    name: fn(&P) -> &'static str,
    play: Play<G, P>,
    wanted: Wanted,
) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut scene = None;
    for point in points.iter().filter(|point| wanted.has(group, name(point))) {
        let began = Instant::now();
        let mut here: G = match scene.take() {
            Some(scene) => scene,
            None => match G::up().await {
                Ok(scene) => scene,
                Err(error) => {
                    lines.extend(nowhere(group, std::iter::once(name(point)), &error));
                    continue;
                }
            },
        };
        let outcome = match play(&mut here, point).await {
            Ok(told) => Ok(told),
            Err(error) => Err(here.story(error).await),
        };
        if outcome.is_ok() {
            scene = Some(here);
        }
        lines.push(Line::tell(group, name(point), began, outcome));
    }
    if let Some(Err(error)) = scene.map(G::down) {
        let left = Line::tell(group, "nothing is left", Instant::now(), Err(error));
        lines.push(Line { hit: false, ..left });
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
