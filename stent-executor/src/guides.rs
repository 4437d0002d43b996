//! The guides of `docs/`: their code compiles, and runs where it can.

#[doc = include_str!("../../docs/getting-started.md")]
struct GettingStarted;
#[doc = include_str!("../../docs/writing-durable-functions.md")]
struct WritingDurableFunctions;
#[doc = include_str!("../../docs/errors-and-retries.md")]
struct ErrorsAndRetries;
#[doc = include_str!("../../docs/fan-out.md")]
struct FanOut;
#[doc = include_str!("../../docs/signals-and-approval.md")]
struct SignalsAndApproval;
#[doc = include_str!("../../docs/workers-and-deployment.md")]
struct WorkersAndDeployment;
#[doc = include_str!("../../docs/versions-and-rolling-deploys.md")]
struct VersionsAndRollingDeploys;
#[doc = include_str!("../../docs/testing.md")]
struct Testing;
#[doc = include_str!("../../docs/migrating-from-python.md")]
struct MigratingFromPython;
#[doc = include_str!("../../docs/writing-a-backend.md")]
struct WritingABackend;
