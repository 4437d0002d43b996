//! A look as a full screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Style, Stylize as _};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};
use stent_core::Timestamp;
use stent_core::execution::{ExecutionRecord, ExecutionState};

use super::snapshot::Snapshot;
use crate::{print, span};

/// Queues that are shown, at most.
const QUEUES: usize = 6;

/// What is to be drawn.
pub(super) struct View<'a> {
    pub(super) database: &'a str,
    /// The last look that succeeded.
    pub(super) snapshot: Option<&'a Snapshot>,
    /// Why the present one did not.
    pub(super) trouble: Option<&'a str>,
}

pub(super) fn draw(frame: &mut Frame<'_>, view: &View<'_>) {
    let queues = view.snapshot.map_or(1, |snapshot| snapshot.queues.len().clamp(1, QUEUES));
    let failed = view.snapshot.map_or(0, |snapshot| snapshot.failed.len());
    let rows = |rows: usize| u16::try_from(rows).unwrap_or(u16::MAX);
    // A title and headings over each; nothing of what there is none of.
    let failed = if failed == 0 { 0 } else { rows(failed + 2) };
    let [head, above, middle, below, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(rows(queues + 2)),
        Constraint::Min(3),
        Constraint::Length(failed),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    if let Some(snapshot) = view.snapshot {
        frame.render_widget(summary(view.database, snapshot), head);
        frame.render_widget(depths(snapshot), above);
        open(frame, snapshot, middle);
        frame.render_widget(failures(snapshot), below);
    }
    let foot_line = match view.trouble {
        Some(trouble) => Line::from(print::escaped(trouble)).red(),
        None => Line::from("q: quit").dim(),
    };
    frame.render_widget(Paragraph::new(foot_line), foot);
}

fn summary<'a>(database: &str, snapshot: &Snapshot) -> Paragraph<'a> {
    let [ended, failed] = snapshot.rates();
    let at: String = snapshot.at.to_string().chars().skip(11).take(8).collect();
    let workers = match snapshot.live_workers {
        1 => "1 worker".to_owned(),
        workers => format!("{workers} workers"),
    };
    let letters = print::count(snapshot.dead_letters, "dead letter");
    let text = format!("{database} {at}  {workers}  ended {ended:.1}/s  failed {failed:.1}/s  {letters}");
    Paragraph::new(Line::from(text).bold())
}

fn depths<'a>(snapshot: &Snapshot) -> Table<'a> {
    let rows = snapshot.queues.iter().map(|queue| {
        let name = queue.queue.as_ref().map_or("-".to_owned(), |name| print::escaped(name));
        let oldest = queue.oldest_ready.map_or("-".to_owned(), |at| span::age(snapshot.at, at));
        let depths = [queue.ready, queue.scheduled, queue.running, queue.suspended].map(|depth| depth.to_string());
        Row::new([vec![name], depths.to_vec(), vec![oldest]].concat().into_iter().map(Cell::from))
    });
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Length(12),
    ];
    let headings = ["QUEUE", "READY", "SCHEDULED", "RUNNING", "SUSPENDED", "OLDEST READY"];
    let title = match snapshot.queues.len().saturating_sub(QUEUES) {
        0 => "queues".to_owned(),
        left => format!("queues ({left} more: stent stats)"),
    };
    titled(Table::new(rows, widths), title, &headings)
}

fn open(frame: &mut Frame<'_>, snapshot: &Snapshot, area: Rect) {
    let shown = usize::from(area.height.saturating_sub(2));
    let left = snapshot.open.len().saturating_sub(shown);
    let title = match left {
        0 => "open, of the newest 1,000 executions".to_owned(),
        left => format!("open, of the newest 1,000 executions ({left} or more are not shown: stent list)"),
    };
    let rows = snapshot.open.iter().take(shown).map(|(record, progress)| {
        let progress = progress.as_deref().map_or(String::new(), print::escaped);
        let state = Cell::from(record.state.to_string()).style(colour(record.state));
        let age = span::age(snapshot.at, record.created_at);
        Row::new([
            Cell::from(record.id.to_string()),
            Cell::from(last(&record.function)),
            state,
            Cell::from(age),
            Cell::from(progress),
        ])
    });
    let widths = [
        Constraint::Length(36),
        Constraint::Fill(1),
        Constraint::Length(9),
        Constraint::Length(6),
        Constraint::Fill(1),
    ];
    let headings = ["ID", "FUNCTION", "STATE", "AGE", "PROGRESS"];
    frame.render_widget(titled(Table::new(rows, widths), title, &headings), area);
}

fn failures<'a>(snapshot: &Snapshot) -> Table<'a> {
    let class = |record: &ExecutionRecord| {
        record.failure.as_ref().map_or("-".to_owned(), |failure| failure.class().to_string())
    };
    let ended = |at: Option<Timestamp>| at.map_or("-".to_owned(), |at| span::age(snapshot.at, at));
    let rows = snapshot.failed.iter().map(|record| {
        Row::new([
            record.id.to_string(),
            last(&record.function),
            ended(record.ended_at),
            print::escaped(&class(record)),
        ])
    });
    let widths = [Constraint::Length(36), Constraint::Fill(1), Constraint::Length(9), Constraint::Fill(1)];
    titled(
        Table::new(rows, widths),
        "failed, of the newest 1,000".to_owned(),
        &["ID", "FUNCTION", "ENDED AGO", "FAILURE"],
    )
}

fn titled<'a>(table: Table<'a>, title: String, headings: &[&'static str]) -> Table<'a> {
    let headings = Row::new(headings.iter().copied().map(Cell::from)).dim();
    let block = Block::new().borders(Borders::TOP).title(title);
    table.header(headings).column_spacing(1).block(block)
}

fn colour(state: ExecutionState) -> Style {
    match state {
        ExecutionState::Running => Style::new().green(),
        ExecutionState::Suspended => Style::new().cyan(),
        _ => Style::new(),
    }
}

/// The last part of a path, which says the most in little room.
fn last(function: &str) -> String {
    print::escaped(function.rsplit("::").next().unwrap_or(function))
}
