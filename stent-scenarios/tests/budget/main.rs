//! What things cost (the cost budget): rows by table, by triggers that count them, and calls of the store that write, each one transaction. Whoever makes
//! something cost a row more has to say so here.

// So that the lints see that all of it is tests.
#[cfg(test)]
mod books;
#[cfg(test)]
mod functions;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod tasks;
#[cfg(test)]
mod waiting;
