//! Time and chance that are the same in every replay (C-R6).

use sha2::{Digest, Sha256};
use stent_core::{TaskId, Timestamp};
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

    /// The next draw: a hash of task, generation, where it is drawn, and a number. The function draws by its turn; the code of a step by the step, anew in
    /// every attempt, since when it is polled is in no journal.
    fn draw(&self) -> [u8; 32] {
        let activation = self.activation();
        let mut hash = Sha256::new()
            .chain_update(activation.task.claim.task.as_bytes())
            .chain_update(activation.task.generation.to_be_bytes());
        let mut shared = activation.shared();
        if shared.polling.is_none_or(|(thread, _)| thread != std::thread::current().id()) {
            tracing::warn!("uuid() and random() outside of the durable function are other ones in every run");
            hash.update(Uuid::new_v4().as_bytes());
        }
        let number = match shared.stepping {
            Some(slot) => {
                let step = &mut shared.operations[slot];
                step.draws += 1;
                hash.update(
                    TaskId::child(activation.task.claim.task, activation.task.generation, &step.id, None).as_bytes(),
                );
                step.draws
            }
            None => {
                shared.draws += 1;
                hash.update(shared.turn.to_be_bytes());
                shared.draws
            }
        };
        hash.chain_update(number.to_be_bytes()).finalize().into()
    }
}
