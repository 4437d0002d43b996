//! A research agent: queries, searches, pages and summaries, shared by their content and never too many at once, make a report.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::result::Result as Either;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use stent_core::Timestamp;
use stent_core::task::TaskState;
use stent_executor::Registration;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, Process, Stage, at_every_concurrency, work};

const QUESTION: &str = "durable execution";

#[derive(Debug, thiserror::Error)]
#[error("no answer from {0}")]
struct ConnectionError(String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Source {
    url: String,
    score: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Report {
    question: String,
    summary: String,
    sections: Vec<String>,
    sources: Vec<Source>,
    generated_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Critique {
    score: f64,
    missing_perspectives: Vec<String>,
}

#[durable(cached, max_concurrent = 5)]
async fn generate_search_queries(ctx: Ctx, question: String) -> Result<Vec<String>> {
    work(&ctx, format!("queries {question}"), "500ms").await?;
    Ok(["overview", "recent", "experts"].map(|kind| format!("{question} {kind}")).into())
}

#[durable(cached)]
async fn web_search(ctx: Ctx, query: String) -> Result<Vec<String>> {
    work(&ctx, format!("search {query}"), "300ms").await?;
    Ok(urls(&query).into())
}

fn urls(query: &str) -> [String; 3] {
    let mut hasher = DefaultHasher::new();
    query.hash(&mut hasher);
    let hash = format!("{:016x}", hasher.finish());
    [1, 2, 3].map(|number| format!("https://example.com/article-{}-{number}", &hash[..8]))
}

#[durable(cached, max_concurrent = 20)]
async fn fetch_webpage(ctx: Ctx, url: String) -> Result<String> {
    work(&ctx, format!("fetch {url}"), "400ms").await?;
    Ok(format!("content of {url}"))
}

#[durable(cached, max_concurrent = 5)]
async fn summarize_source(ctx: Ctx, url: String, content: String) -> Result<Source> {
    work(&ctx, format!("summarize {content}"), "800ms").await?;
    Ok(Source { url, score: 0.85 })
}

#[durable(max_concurrent = 2)]
async fn synthesize_report(ctx: Ctx, question: String, sources: Vec<Source>) -> Result<Report> {
    work(&ctx, format!("synthesize {question} {}", sources.len()), "1s").await?;
    Ok(Report {
        summary: format!("{} sources on {question}", sources.len()),
        sections: ["Background", "Recent Developments", "Expert Consensus", "Conclusions"].map(str::to_owned).into(),
        generated_at: ctx.now(),
        question,
        sources,
    })
}

#[durable]
async fn critique_report(ctx: Ctx, report: Report, score: f64) -> Result<Critique> {
    work(&ctx, format!("critique {}", report.question), "500ms").await?;
    Ok(Critique { score, missing_perspectives: vec!["users".into(), "critics".into(), "lawyers".into()] })
}

/// What is found for these queries: every page once, failures left out.
async fn sources(ctx: &Ctx, queries: Vec<String>) -> Result<Vec<Source>> {
    let found = ctx.map(queries.into_iter().map(web_search)).await?;
    let urls: BTreeSet<String> = found.into_iter().flatten().collect();
    let source = |url: String| async move {
        let content = ctx.call(fetch_webpage(url.clone())).await.ok()?;
        ctx.call(summarize_source(url, content)).await.ok()
    };
    let sources: Vec<_> = join_all(urls.into_iter().map(source)).await.into_iter().flatten().collect();
    let good: Vec<_> = sources.iter().filter(|source| source.score >= 0.5).cloned().collect();
    Ok(if good.is_empty() { sources } else { good })
}

#[durable]
async fn research(ctx: Ctx, question: String) -> Result<Either<Report, String>> {
    let queries = ctx.call(generate_search_queries(question.clone())).await?;
    let sources = sources(&ctx, queries).await?;
    if sources.is_empty() {
        return Ok(Err("No sources found for research question".into()));
    }
    Ok(Ok(ctx.call(synthesize_report(question, sources)).await?))
}

#[durable]
async fn research_with_critique(ctx: Ctx, question: String, score: f64) -> Result<Either<(Report, Critique), String>> {
    let queries = ctx.call(generate_search_queries(question.clone())).await?;
    let mut sources = sources(&ctx, queries).await?;
    if sources.is_empty() {
        return Ok(Err("No sources found for research question".into()));
    }
    let mut report = ctx.call(synthesize_report(question.clone(), sources.clone())).await?;
    let critique = ctx.call(critique_report(report.clone(), score)).await?;
    if critique.score < 7.0 {
        let missing = critique.missing_perspectives.iter().take(2);
        let queries = missing.map(|perspective| format!("{question} {perspective}")).collect();
        sources.extend(self::sources(&ctx, queries).await?);
        report = ctx.call(synthesize_report(question, sources)).await?;
    }
    Ok(Ok((report, critique)))
}

fn all() -> Vec<Registration> {
    functions![
        generate_search_queries,
        web_search,
        fetch_webpage,
        summarize_source,
        synthesize_report,
        critique_report,
        research,
        research_with_critique
    ]
}

async fn start(bench: &Bench, stage: &Stage, concurrency: usize) -> Process {
    stage.process(bench, all(), |worker| worker.concurrency(concurrency)).await
}

fn pages() -> Vec<String> {
    ["overview", "recent", "experts"].iter().flat_map(|kind| urls(&format!("{QUESTION} {kind}"))).collect()
}

/// How often this kind of work was done so far.
fn done(bench: &Bench, kind: &str) -> usize {
    bench.ledger.all().iter().filter(|effect| effect.split(' ').next() == Some(kind)).count()
}

fn counts(bench: &Bench) -> [usize; 5] {
    ["queries", "search", "fetch", "summarize", "synthesize"].map(|kind| done(bench, kind))
}

/// C-M1: nine pages, each once, in one report.
async fn nine_sources_make_a_report(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let process = start(&bench, &stage, concurrency).await;
    let began = bench.now();
    let execution = process.stent.dispatch(research(QUESTION.into())).await.unwrap();
    let report = bench.until("the report", execution.result()).await.unwrap().unwrap();
    let sources: BTreeSet<_> = report.sources.iter().map(|source| source.url.clone()).collect();
    assert_eq!(sources, pages().into_iter().collect());
    assert_eq!((report.sources.len(), report.sections.len()), (9, 4));
    assert!(report.generated_at > began && report.generated_at <= bench.now());
    let tasks = bench.tasks(execution.id()).await;
    assert_eq!(tasks.len(), 1 + 1 + 3 + 9 + 9 + 1);
    assert!(tasks.iter().all(|task| task.state == TaskState::Completed));
    assert_eq!(counts(&bench), [1, 3, 9, 9, 1]);
}

/// C-Y1, C-Y5: pages that never come are left out, and are dead letters.
async fn pages_that_never_come_are_left_out(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let lost = [pages()[1].clone(), pages()[5].clone()];
    for url in &lost {
        stage.fail(format!("fetch {url}"), 3, ConnectionError(url.clone()));
    }
    let process = start(&bench, &stage, concurrency).await;
    let execution = process.stent.dispatch(research(QUESTION.into())).await.unwrap();
    let report = bench.until("the report", execution.result()).await.unwrap().unwrap();
    assert_eq!(report.sources.len(), 7);
    assert!(!report.sources.iter().any(|source| lost.contains(&source.url)));
    assert_eq!(counts(&bench), [1, 3, 7 + 2 * 3, 7, 1]);
    let letters = bench.dead_letters().await;
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().all(|letter| letter.failure.class().as_str() == "ConnectionError"), "{letters:?}");
    assert_eq!(bench.tasks(execution.id()).await.len(), 1 + 1 + 3 + 9 + 7 + 1);
}

/// C-Y5: without any page there is no report.
async fn a_question_without_sources_is_told_so(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    for url in pages() {
        stage.fail(format!("fetch {url}"), 3, ConnectionError(url));
    }
    let process = start(&bench, &stage, concurrency).await;
    let execution = process.stent.dispatch(research(QUESTION.into())).await.unwrap();
    let refused = bench.until("the refusal", execution.result()).await.unwrap();
    assert_eq!(refused, Err("No sources found for research question".to_owned()));
    assert_eq!(counts(&bench), [1, 3, 27, 0, 0]);
    assert_eq!(bench.dead_letters().await.len(), 9);
}

/// C-K1: what was found once is found again at no cost, by another process as well.
async fn the_same_question_costs_a_synthesis_alone(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let first = start(&bench, &stage, concurrency).await;
    let execution = first.stent.dispatch(research(QUESTION.into())).await.unwrap();
    let report = bench.until("the report", execution.result()).await.unwrap().unwrap();
    first.worker().drain().await.unwrap();

    let second = start(&bench, &stage, concurrency).await;
    let execution = second.stent.dispatch(research(QUESTION.into())).await.unwrap();
    let again = bench.until("the report", execution.result()).await.unwrap().unwrap();
    assert_eq!(counts(&bench), [1, 3, 9, 9, 2]);
    assert!(again.generated_at > report.generated_at);
    assert_eq!(again, Report { generated_at: again.generated_at, ..report });
    let tasks = bench.tasks(execution.id()).await;
    assert_eq!(tasks.len(), 24, "what is shared is a task all the same");
}

/// C-Q3, B22: over all workers no function runs more often at once than it may, and as often as it may if there is enough to do.
async fn limits_hold_over_all_workers(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let slots = 2 * concurrency;
    let limits = [("queries", 5), ("fetch", 20), ("summarize", 5), ("synthesize", 2)];
    for (kind, limit) in limits {
        stage.demand(kind, limit.min(slots));
    }
    let processes = [start(&bench, &stage, concurrency).await, start(&bench, &stage, concurrency).await];
    let questions = (0..8).map(|number| research(format!("question {number}")));
    let executions = processes[0].stent.dispatch_all(questions).await.unwrap();
    for execution in executions {
        let report = bench.until("the report", execution.result()).await.unwrap().unwrap();
        assert_eq!(report.sources.len(), 9);
    }
    assert_eq!(counts(&bench), [8, 24, 72, 72, 8]);
    for (kind, limit) in limits {
        assert_eq!(stage.peak(kind), limit.min(slots), "{kind}");
    }
    assert!(stage.repeated().is_empty());
}

/// C-R1: a good report is left as it is; one that is not is made again with two more queries.
async fn a_poor_report_is_made_again_with_more_sources(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let process = start(&bench, &stage, concurrency).await;
    let execution = process.stent.dispatch(research_with_critique(QUESTION.into(), 7.5)).await.unwrap();
    let (report, critique) = bench.until("the report", execution.result()).await.unwrap().unwrap();
    assert_eq!((report.sources.len(), critique.score), (9, 7.5));
    assert_eq!(counts(&bench), [1, 3, 9, 9, 1]);

    let execution = process.stent.dispatch(research_with_critique("another".into(), 5.0)).await.unwrap();
    let (report, critique) = bench.until("the report", execution.result()).await.unwrap().unwrap();
    assert_eq!((report.sources.len(), critique.score), (15, 5.0));
    assert_eq!(counts(&bench), [2, 3 + 5, 9 + 15, 9 + 15, 1 + 2]);
    assert_eq!(done(&bench, "critique"), 2);
    for query in ["search another users", "search another critics"] {
        assert_eq!(bench.ledger.count(query), 1);
    }
}

at_every_concurrency![
    nine_sources_make_a_report,
    pages_that_never_come_are_left_out,
    a_question_without_sources_is_told_so,
    the_same_question_costs_a_synthesis_alone,
    limits_hold_over_all_workers,
    a_poor_report_is_made_again_with_more_sources,
];
