//! A batch: pictures are downloaded at once, failures and all, those that came are processed at once, and make a gallery.

use std::result::Result as Either;

use futures_util::future::join_all;
use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, Stage, at_every_concurrency, work};

#[derive(Debug, thiserror::Error)]
#[error("image {0} cannot be downloaded")]
struct ConnectionError(u32);

#[durable]
async fn download_image(ctx: Ctx, id: u32) -> Result<String> {
    work(&ctx, format!("download {id}"), "500ms").await?;
    Ok(format!("img_{id}.jpg"))
}

#[durable]
async fn process_image(ctx: Ctx, image: String) -> Result<String> {
    work(&ctx, format!("process {image}"), "300ms").await?;
    Ok(image.replace(".jpg", "_bw.jpg"))
}

#[durable]
async fn create_gallery(ctx: Ctx, images: Vec<String>) -> Result<String> {
    work(&ctx, format!("gallery {}", images.join(" ")), "200ms").await?;
    Ok(format!("http://example.com/gallery/{}_images", images.len()))
}

#[durable]
async fn batch(ctx: Ctx, ids: Vec<u32>) -> Result<Either<String, String>> {
    let downloads = join_all(ids.into_iter().map(|id| ctx.call(download_image(id)))).await;
    finish(&ctx, downloads.into_iter().flatten().collect()).await
}

/// The same with a map.
#[durable]
async fn mapped_batch(ctx: Ctx, ids: Vec<u32>) -> Result<Either<String, String>> {
    let downloads = ctx.map_settled(ids.into_iter().map(download_image)).await?;
    finish(&ctx, downloads.into_iter().flatten().collect()).await
}

async fn finish(ctx: &Ctx, images: Vec<String>) -> Result<Either<String, String>> {
    if images.is_empty() {
        return Ok(Err("No images downloaded successfully".into()));
    }
    let processed = ctx.map(images.into_iter().map(process_image)).await?;
    Ok(Ok(ctx.call(create_gallery(processed)).await?))
}

/// Runs the batch of ids 1 to 10, of which these fail in all attempts, once by calls and once by a map.
async fn run(bench: &Bench, concurrency: usize, fail: &[u32], check: impl AsyncFn(&Bench, &Stage, Outcome)) {
    for mapped in [false, true] {
        let bench = bench.another();
        let stage = Stage::on(&bench).await;
        fail.iter().for_each(|id| stage.fail(format!("download {id}"), 3, ConnectionError(*id)));
        let functions = functions![download_image, process_image, create_gallery, batch, mapped_batch];
        if fail.is_empty() {
            for kind in ["download", "process"] {
                stage.demand(kind, concurrency.min(10));
            }
        }
        let process = stage.process(&bench, functions, |worker| worker.concurrency(concurrency)).await;
        let ids = (1..=10).collect();
        let (id, result) = if mapped {
            let execution = process.stent.dispatch(mapped_batch(ids)).await.unwrap();
            (execution.id(), bench.until("the gallery", execution.result()).await.unwrap())
        } else {
            let execution = process.stent.dispatch(batch(ids)).await.unwrap();
            (execution.id(), bench.until("the gallery", execution.result()).await.unwrap())
        };
        let tasks = bench.tasks(id).await;
        let states = tasks.iter().map(|task| task.state).collect();
        check(&bench, &stage, Outcome { result, states }).await;
    }
}

struct Outcome {
    result: Either<String, String>,
    states: Vec<TaskState>,
}

/// C-Q4, B11, B12: with any number of slots, and as many at once as there are slots.
async fn all_ten_make_a_gallery(bench: Bench, concurrency: usize) {
    run(&bench, concurrency, &[], async |bench, stage, outcome| {
        assert_eq!(outcome.result, Ok("http://example.com/gallery/10_images".into()));
        assert_eq!(outcome.states, [TaskState::Completed; 22]);
        assert_eq!(bench.ledger.all().len(), 21);
        for kind in ["download", "process"] {
            assert_eq!(stage.peak(kind), concurrency.min(10), "{kind}");
        }
        let gallery: Vec<_> = (1..=10).map(|id| format!("img_{id}_bw.jpg")).collect();
        assert_eq!(bench.ledger.count(&format!("gallery {}", gallery.join(" "))), 1, "in the order of the ids");
    })
    .await;
}

/// C-Y1, C-Y5, C-M3: what fails in all its attempts is left out, and is a dead letter.
async fn what_cannot_be_downloaded_is_left_out(bench: Bench, concurrency: usize) {
    run(&bench, concurrency, &[3, 7], async |bench, _, outcome| {
        assert_eq!(outcome.result, Ok("http://example.com/gallery/8_images".into()));
        for id in 1..=10 {
            let times = if [3, 7].contains(&id) { 3 } else { 1 };
            assert_eq!(bench.ledger.count(&format!("download {id}")), times, "{id}");
        }
        let mut letters: Vec<_> = bench.dead_letters().await.into_iter().map(|letter| letter.failure).collect();
        letters.sort_by_key(ToString::to_string);
        let texts: Vec<_> = letters.iter().map(|failure| (failure.class().as_str(), failure.message())).collect();
        let text = |id| {
            ("ConnectionError", if id == 3 { "image 3 cannot be downloaded" } else { "image 7 cannot be downloaded" })
        };
        assert_eq!(texts, [text(3), text(7)]);
        let count = |state| outcome.states.iter().filter(|other| **other == state).count();
        assert_eq!((count(TaskState::Completed), count(TaskState::Failed)), (18, 2));
    })
    .await;
}

/// C-Y5: with nothing left the batch says so, and made no gallery.
async fn a_batch_without_any_image_says_so(bench: Bench, concurrency: usize) {
    let all: Vec<_> = (1..=10).collect();
    run(&bench, concurrency, &all, async |bench, stage, outcome| {
        assert_eq!(outcome.result, Err("No images downloaded successfully".into()));
        assert_eq!(outcome.states.len(), 11);
        assert_eq!(bench.ledger.all().len(), 30);
        assert_eq!((stage.peak("process"), stage.peak("gallery")), (0, 0));
        assert_eq!(bench.dead_letters().await.len(), 10);
    })
    .await;
}

at_every_concurrency![all_ten_make_a_gallery, what_cannot_be_downloaded_is_left_out, a_batch_without_any_image_says_so,];
