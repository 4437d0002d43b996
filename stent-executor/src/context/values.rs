//! Time and chance that are the same in every replay (C-R6).

use sha2::{Digest, Sha256};
use stent_core::Timestamp;
use uuid::{Builder, Uuid};

use super::Ctx;

impl Ctx {
    /// The recorded time of the outcome that brought the function here: the same in every replay, and never going back.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.activation().shared().now
    }

    /// A UUID that looks random and is the same in every replay.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.draw()[..16]);
        Builder::from_random_bytes(bytes).into_uuid()
    }

    /// A number in `[0, 1)` that looks random and is the same in every replay.
    #[must_use]
    pub fn random(&self) -> f64 {
        let draw = self.draw();
        let bits = u32::from_be_bytes([draw[0], draw[1], draw[2], draw[3]]);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }

    /// The next draw of this turn: a hash of task, generation, turn and number.
    fn draw(&self) -> [u8; 32] {
        let activation = self.activation();
        let (turn, number) = {
            let mut shared = activation.shared();
            shared.draws += 1;
            (shared.turn, shared.draws)
        };
        Sha256::new()
            .chain_update(activation.task.claim.task.as_bytes())
            .chain_update(activation.task.generation.to_be_bytes())
            .chain_update(turn.to_be_bytes())
            .chain_update(number.to_be_bytes())
            .finalize()
            .into()
    }
}
