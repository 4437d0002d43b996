//! A media pipeline: uploads are checked, two chains of work make the parts of a package, and queues say who works on what.

mod kills;

use std::result::Result as Either;

use serde::{Deserialize, Serialize};
use stent_core::RetryPolicy;
use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_executor::{Registration, WorkerBuilder};
use stent_scenarios::{Bench, Process, Stage, at_every_concurrency, work};

#[derive(Debug, thiserror::Error)]
#[error("File {0} header is corrupt")]
struct ValueError(String);

#[derive(Debug, thiserror::Error)]
#[error("the scanner does not answer")]
struct ConnectionError;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Published {
    status: String,
    url: String,
}

#[durable(queue = "processing_queue")]
async fn validate_upload(ctx: Ctx, file: String) -> Result<()> {
    work(&ctx, format!("validate {file}"), "500ms").await?;
    if file.contains("corrupt") { Err(ValueError(file))? } else { Ok(()) }
}

#[durable(queue = "processing_queue")]
async fn scan_for_safety(ctx: Ctx, file: String) -> Result<String> {
    work(&ctx, format!("scan {file}"), "2s").await?;
    Ok(if file.contains("unsafe") { "flagged" } else { "safe" }.into())
}

#[durable(cached, queue = "processing_queue")]
async fn extract_audio(ctx: Ctx, file: String) -> Result<String> {
    work(&ctx, format!("extract {file}"), "2s").await?;
    Ok(format!("{file}.wav"))
}

#[durable(cached, queue = "gpu_tasks")]
async fn transcribe_audio(ctx: Ctx, audio: String) -> Result<String> {
    work(&ctx, format!("transcribe {audio}"), "4s").await?;
    Ok(format!("transcript of {audio}"))
}

#[durable(cached, queue = "gpu_tasks")]
async fn generate_metadata(ctx: Ctx, transcript: String) -> Result<String> {
    work(&ctx, format!("describe {transcript}"), "2s").await?;
    Ok(format!("metadata of {transcript}"))
}

#[durable(cached, queue = "gpu_tasks")]
async fn generate_thumbnails(ctx: Ctx, file: String) -> Result<[String; 3]> {
    work(&ctx, format!("thumbnails {file}"), "3s").await?;
    Ok([1, 2, 3].map(|number| format!("{file}_{number}.png")))
}

#[durable(queue = "processing_queue")]
async fn package_assets(ctx: Ctx, file: String, metadata: String, thumbnails: [String; 3]) -> Result<String> {
    work(&ctx, format!("package {file} {metadata} {}", thumbnails.len()), "1s").await?;
    Ok(format!("s3://{file}.zip"))
}

/// Makes a package of a file, with so many attempts for each part of it.
#[durable]
async fn process_media(ctx: Ctx, file: String, attempts: u32) -> Result<Either<Published, String>> {
    Ok(parts(&ctx, file, attempts).await.map_err(|failure| failure.to_string()))
}

async fn parts(ctx: &Ctx, file: String, attempts: u32) -> Result<Published> {
    // What is wrong with a file is wrong with it tomorrow.
    let policy = RetryPolicy::builder().max_attempts(attempts).retry_for(["ConnectionError"]).build()?;
    let retry = || policy.clone();
    ctx.call(validate_upload(file.clone()).retry(retry())).await?;
    if ctx.call(scan_for_safety(file.clone()).retry(retry())).await? == "flagged" {
        return Err("Content flagged".into_failure());
    }
    let words = async {
        let audio = ctx.call(extract_audio(file.clone()).retry(retry())).await?;
        let transcript = ctx.call(transcribe_audio(audio).retry(retry())).await?;
        ctx.call(generate_metadata(transcript).retry(retry())).await
    };
    let pictures = ctx.call(generate_thumbnails(file.clone()).retry(retry()));
    let (metadata, thumbnails) = try_join!(words, pictures)?;
    let url = ctx.call(package_assets(file, metadata, thumbnails).retry(retry())).await?;
    Ok(Published { status: "success".into(), url })
}

fn activities() -> Vec<Registration> {
    functions![
        validate_upload,
        scan_for_safety,
        extract_audio,
        transcribe_audio,
        generate_metadata,
        generate_thumbnails,
        package_assets
    ]
}

fn orchestrators() -> Vec<Registration> {
    functions![process_media]
}

/// What is done for a file that is published.
fn effects(file: &str) -> Vec<String> {
    let audio = format!("{file}.wav");
    vec![
        format!("validate {file}"),
        format!("scan {file}"),
        format!("extract {file}"),
        format!("thumbnails {file}"),
        format!("transcribe {audio}"),
        format!("describe transcript of {audio}"),
        format!("package {file} metadata of transcript of {audio} 3"),
    ]
}

fn published(file: &str) -> Either<Published, String> {
    Ok(Published { status: "success".into(), url: format!("s3://{file}.zip") })
}

async fn start(bench: &Bench, stage: &Stage, concurrency: usize) -> Process {
    let functions = [activities(), orchestrators()].concat();
    stage.process(bench, functions, |worker| worker.concurrency(concurrency)).await
}

async fn run(bench: &Bench, process: &Process, file: &str) -> Either<Published, String> {
    let execution = process.stent.dispatch(process_media(file.into(), 3)).await.unwrap();
    bench.until("the package", execution.result()).await.unwrap()
}

/// C-R1: each part is made once, the pictures beside the words.
async fn a_good_file_is_published(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let process = start(&bench, &stage, concurrency).await;
    assert_eq!(run(&bench, &process, "video_1.mp4").await, published("video_1.mp4"));
    let (mut done, mut expected) = (bench.ledger.all(), effects("video_1.mp4"));
    let at = |kind: &str| done.iter().position(|effect| effect.starts_with(kind)).unwrap();
    assert!(at("thumbnails") < at("transcribe"), "{done:?}");
    assert!(at("scan") < at("extract") && at("describe") < at("package"), "{done:?}");
    done.sort();
    expected.sort();
    assert_eq!(done, expected);
}

/// C-Y1, C-Y5: what is wrong with a file is told, and nothing is made of it.
async fn a_file_that_is_corrupt_or_unsafe_is_refused(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let process = start(&bench, &stage, concurrency).await;
    let refused = run(&bench, &process, "corrupt_1.mp4").await;
    assert_eq!(refused, Err("File corrupt_1.mp4 header is corrupt".into()));
    assert_eq!(bench.ledger.all(), ["validate corrupt_1.mp4"]);
    assert_eq!(run(&bench, &process, "unsafe_1.mp4").await, Err("Content flagged".into()));
    assert_eq!(bench.ledger.all()[1..], ["validate unsafe_1.mp4", "scan unsafe_1.mp4"]);
    assert_eq!(bench.dead_letters().await.len(), 1);
}

/// C-Y1: a scanner that does not answer is asked three times.
async fn a_scanner_that_does_not_answer_is_asked_again(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let process = start(&bench, &stage, concurrency).await;
    stage.fail("scan video_1.mp4", 2, ConnectionError);
    assert_eq!(run(&bench, &process, "video_1.mp4").await, published("video_1.mp4"));
    assert_eq!(bench.ledger.count("scan video_1.mp4"), 3);
    stage.fail("scan video_2.mp4", 3, ConnectionError);
    assert_eq!(run(&bench, &process, "video_2.mp4").await, Err("the scanner does not answer".into()));
    assert_eq!((bench.ledger.count("scan video_2.mp4"), bench.ledger.count("extract video_2.mp4")), (3, 0));
    assert_eq!(bench.dead_letters().await.len(), 1);
}

/// C-K1, B34, B72: what was made of a file is made of it once, and never taken for that of another file.
async fn what_was_made_of_a_file_is_not_made_again(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let process = start(&bench, &stage, concurrency).await;
    assert_eq!(run(&bench, &process, "video_1.mp4").await, published("video_1.mp4"));
    assert_eq!(run(&bench, &process, "video_2.mp4").await, published("video_2.mp4"));
    assert_eq!(bench.ledger.all().len(), 14);
    assert_eq!(run(&bench, &process, "video_1.mp4").await, published("video_1.mp4"));
    let again: Vec<_> =
        bench.ledger.all()[14..].iter().map(|effect| effect.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(again, ["validate", "scan", "package"]);
}

/// C-Q1, C-R7: work waits for a worker that serves its queue and has its function, and for no other.
async fn work_waits_for_who_serves_its_queue(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let _orchestrator =
        stage.process(&bench, orchestrators(), |worker| worker.concurrency(concurrency).poll("1s")).await;
    let queue =
        |queue: &'static str| move |worker: WorkerBuilder| worker.concurrency(concurrency).queues([queue]).poll("1s");
    let _processing = stage.process(&bench, activities(), queue("processing_queue")).await;
    let client = bench.process_with(orchestrators(), |program| program.poll("1s"), true).await;
    let execution = client.stent.dispatch(process_media("video_1.mp4".into(), 3)).await.unwrap();
    bench.pass(std::time::Duration::from_secs(60)).await;
    assert_eq!(bench.ledger.all(), ["validate video_1.mp4", "scan video_1.mp4", "extract video_1.mp4"]);
    let waiting = bench.tasks(execution.id()).await;
    let waiting = waiting.iter().filter(|task| task.state == TaskState::Pending && task.attempt == 0).count();
    assert_eq!(waiting, 2, "the transcript and the thumbnails");

    let _gpu = stage.process(&bench, activities(), queue("gpu_tasks")).await;
    assert_eq!(bench.until("the package", execution.result()).await.unwrap(), published("video_1.mp4"));
    assert_eq!(bench.ledger.all().len(), 7);
}

at_every_concurrency![
    a_good_file_is_published,
    a_file_that_is_corrupt_or_unsafe_is_refused,
    a_scanner_that_does_not_answer_is_asked_again,
    what_was_made_of_a_file_is_not_made_again,
    work_waits_for_who_serves_its_queue,
];
