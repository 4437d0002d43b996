//! `watch`: what happens, again and again: a full screen on a terminal, plain lines elsewhere.

mod line;
mod progress;
mod screen;
mod snapshot;

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use crate::answer::Answer;
use crate::arguments::WatchArguments;
use crate::database::{Database, Place};
use crate::failure::Failure;
use crate::print;
use snapshot::{Snapshot, Watching};

pub(super) async fn watch(
    database: &Database,
    place: &Place,
    given: &WatchArguments,
    json: bool,
) -> Result<Answer, Failure> {
    if json || !(io::stdout().is_terminal() && io::stdin().is_terminal()) {
        lines(database, given, json).await?;
    } else {
        // From here on a panic gives the terminal back, too.
        let mut terminal = ratatui::try_init().map_err(|error| no_screen(&error))?;
        let ended = full_screen(database, place, given, &mut terminal).await;
        ratatui::restore();
        ended?;
    }
    Ok(Answer::none())
}

fn no_screen(error: &io::Error) -> Failure {
    Failure::unavailable(format!("the terminal cannot be drawn on: {error}; pipe the output for plain lines"))
}

/// A line at each look, until nobody reads them any more.
async fn lines(database: &Database, given: &WatchArguments, json: bool) -> Result<(), Failure> {
    let mut watching = Watching::default();
    for number in 0.. {
        let snapshot = watching.look(database).await?;
        let text = if json { line::json(&snapshot)? } else { line::text(&snapshot, number) };
        if !print::put(&text)? || given.is_done(number) {
            break;
        }
        tokio::time::sleep(given.every).await;
    }
    Ok(())
}

/// Draws each look until a key ends it. A database that does not answer is told of, and asked again.
async fn full_screen(
    database: &Database,
    place: &Place,
    given: &WatchArguments,
    terminal: &mut DefaultTerminal,
) -> Result<(), Failure> {
    let mut watching = Watching::default();
    let mut last: Option<Snapshot> = None;
    for number in 0.. {
        let trouble = match watching.look(database).await {
            Ok(snapshot) => {
                last = Some(snapshot);
                None
            }
            Err(error) => Some(Failure::from(error).to_string()),
        };
        let view = screen::View { database: place.kind(), snapshot: last.as_ref(), trouble: trouble.as_deref() };
        let until = std::time::Instant::now() + given.every;
        loop {
            terminal.draw(|frame| screen::draw(frame, &view)).map_err(|error| no_screen(&error))?;
            let left = until.saturating_duration_since(std::time::Instant::now());
            match heard(left).map_err(|error| no_screen(&error))? {
                Heard::End => return Ok(()),
                Heard::Draw => {}
                Heard::Nothing => break,
            }
        }
        if given.is_done(number) {
            break;
        }
    }
    Ok(())
}

enum Heard {
    /// `q`, Esc or Ctrl-C.
    End,
    /// The terminal has another size, or a key means nothing.
    Draw,
    Nothing,
}

/// What the terminal says within this time. Nothing else is to be done meanwhile: the runtime's other threads serve the connection.
fn heard(within: Duration) -> io::Result<Heard> {
    if !event::poll(within)? {
        return Ok(Heard::Nothing);
    }
    Ok(match event::read()? {
        Event::Key(key) if key.kind == KeyEventKind::Press => match key.code {
            KeyCode::Char('q') | KeyCode::Esc => Heard::End,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Heard::End,
            _ => Heard::Draw,
        },
        _ => Heard::Draw,
    })
}
