//! The claim that what was confirmed survives a power cut, at every instant at which a disk can make a difference: a
//! program that uses the library runs on a disk that forgets what was not synced (`tests/power/shadow.c`), and its power is
//! cut at its first sync, at its second, and so on to its end. What is left is opened and compared with what the program
//! was told, and is then gone on with. Linux with glibc only, for the way in is `LD_PRELOAD`.
//!
//! `PICO_POWER_SEED` repeats which pieces of what was not synced survive in the torn images.

#![cfg(target_os = "linux")]

mod claims;
mod cut;
mod going_on;
mod image;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use pico_erp::{Client, OrderSave, Proxy};
use pico_erp_sandbox::{CompletionSpec, Config, Sandbox};
use pico_erp_tests::seed::{Seed, told};

use claims::Claims;
use cut::{Cut, Moment, PowerCut};
use image::{Image, Left};

/// How many completions Pico lists.
const LISTED: u32 = 8;
/// More syncs than the program has; it is wrong itself when it gets there.
const ENDLESS: usize = 1000;
/// How many torn images are made of one cut, of each size of piece.
const TORN: u64 = 2;
/// How many programs run at once.
const AT_ONCE: usize = 4;

async fn sandbox() -> Sandbox {
    let sandbox = Sandbox::start(Config::default()).await.expect("the sandbox starts");
    let client = Client::builder(sandbox.endpoint()).proxy(Proxy::None).build().expect("a client");
    for number in 0..LISTED {
        let order = format!("E-{number}");
        client.save_order(&OrderSave::new("op-abc-123", &order)).await.expect("an order is saved");
        sandbox.complete(CompletionSpec::new(&order)).expect("an order is completed");
    }
    sandbox
}

/// The images that one cut can have left.
fn images(cut: &Cut) -> Vec<Left> {
    let mut images = vec![Left::Synced, Left::SyncedNames];
    for number in 0..TORN {
        let torn = |piece| Left::Torn { piece, part: cut.sync as u64 * TORN + number };
        images.extend([torn(4096), torn(512)]);
    }
    images
}

/// Cuts the power at every sync, and returns how many there are, how many images were looked at, and what was wrong.
async fn every_sync(shadow: &PowerCut, endpoint: &str, seed: &Seed) -> (usize, usize, Vec<String>) {
    let moments = (1..ENDLESS).flat_map(|sync| [Moment::Before, Moment::After].map(|moment| (sync, moment)));
    let mut cuts = futures_util::stream::iter(moments)
        .map(|(sync, moment)| shadow.cut(endpoint, sync, moment))
        .buffered(AT_ONCE);
    let (mut looked_at, mut wrong) = (0, Vec::new());
    while let Some(cut) = cuts.next().await {
        let claims = Claims::of(&cut.told);
        let checks = images(&cut).into_iter().map(async |left| {
            let image = Image::new(&cut, left, seed);
            let mut checked = claims.check(&image.store()).await;
            if checked.is_ok() && matches!(left, Left::Synced) {
                checked = going_on::go_on(endpoint, &image.store(), &claims).await;
            }
            checked.map_err(|error| format!("{:?} sync {}, {left:?}: {error}", cut.moment, cut.sync))
        });
        let checked = join_all(checks).await;
        looked_at += checked.len();
        wrong.extend(checked.into_iter().filter_map(Result::err));
        if cut.ended {
            return (cut.sync - 1, looked_at, wrong);
        }
    }
    panic!("the program never ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_survives_a_power_cut_at_every_sync() {
    let seed = Seed::new("PICO_POWER_SEED", "power");
    let (shadow, sandbox) = (PowerCut::new(false), sandbox().await);
    let (syncs, images, wrong) = every_sync(&shadow, &sandbox.endpoint(), &seed).await;
    told(&format!("{syncs} syncs, {images} images"));
    assert!(wrong.is_empty(), "{} of {images} images are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(syncs > 60, "only {syncs} syncs: the program is not what it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_only_says_it_synced_is_found_out() {
    let seed = Seed::new("PICO_POWER_SEED", "lying disk");
    let (shadow, sandbox) = (PowerCut::new(true), sandbox().await);
    let cut = shadow.cut(&sandbox.endpoint(), 30, Moment::Before).await;
    assert!(!cut.ended);
    let image = Image::new(&cut, Left::Synced, &seed);
    let missing = Claims::of(&cut.told).check(&image.store()).await;
    assert!(missing.is_err(), "an acknowledgement that is on no disk counts as there");
}
