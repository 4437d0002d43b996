//! The places of limited functions (C-Q3).

use stent_core::name::FunctionName;

use super::store::{Tables, TaskRow};

impl Tables {
    /// How many places of a function are held, over all its versions.
    pub(super) fn places_held(&self, function: &FunctionName) -> usize {
        self.tasks.values().filter(|row| row.place && row.call.function == *function).count()
    }

    /// Whether a task may take a place of its function, which has `max_concurrent` of them. One that holds a place may; the places of its ancestors are
    /// not counted against it, so that recursion cannot lock itself up.
    pub(super) fn has_place_for(&self, row: &TaskRow, max_concurrent: u32) -> bool {
        let function = &row.call.function;
        let of_ancestors = match row.ancestors {
            0 => 0,
            _ => self.ancestors(row).filter(|above| above.place && above.call.function == *function).count(),
        };
        row.place || self.places_held(function) - of_ancestors < max_concurrent as usize
    }

    /// How many ancestors of a task that is being made are of its function; counted only where the function is limited.
    pub(super) fn ancestors_of_its_function(&self, row: &TaskRow) -> u32 {
        if row.call.max_concurrent.is_none() {
            return 0;
        }
        let same = self.ancestors(row).filter(|above| above.call.function == row.call.function).count();
        u32::try_from(same).unwrap_or(u32::MAX)
    }
}
