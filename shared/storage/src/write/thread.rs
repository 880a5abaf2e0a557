use arrow::record_batch::RecordBatch;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::WriteError;
use crate::StoreError;

/// Batches waiting to be encoded.
const AHEAD: usize = 2;

/// Turns batches into something, on a thread that may block.
pub(super) trait Encode: Send + 'static {
    type Output: Send + 'static;
    fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError>;
    fn finish(self) -> Result<Self::Output, WriteError>;
}

/// An encoder on its thread. Dropped before it is finished, it leaves nothing.
#[derive(Debug)]
pub(super) struct EncoderThread<T> {
    batches: mpsc::Sender<Option<RecordBatch>>,
    thread: JoinHandle<Result<Option<T>, WriteError>>,
}

impl<T: Send + 'static> EncoderThread<T> {
    pub(super) fn spawn<E: Encode<Output = T>>(mut encoder: E) -> Self {
        let (sender, mut batches) = mpsc::channel::<Option<RecordBatch>>(AHEAD);
        let thread = tokio::task::spawn_blocking(move || {
            while let Some(next) = batches.blocking_recv() {
                match next {
                    Some(batch) => encoder.write(&batch)?,
                    None => return encoder.finish().map(Some),
                }
            }
            // The sender went away without a word: what was begun shall not appear.
            Ok(None)
        });
        Self {
            batches: sender,
            thread,
        }
    }

    /// Hands over a batch; waits while the encoder is behind.
    pub(super) async fn write(&mut self, batch: RecordBatch) -> Result<(), WriteError> {
        if self.batches.send(Some(batch)).await.is_ok() {
            return Ok(());
        }
        // The thread stopped; its own error says why.
        match (&mut self.thread).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) => Err(lost("the encoder stopped")),
            Err(stopped) => Err(lost(stopped)),
        }
    }

    pub(super) async fn finish(self) -> Result<T, WriteError> {
        // If the thread has stopped already, its error follows.
        let _ = self.batches.send(None).await;
        match self.thread.await {
            Ok(Ok(Some(output))) => Ok(output),
            Ok(Ok(None)) => Err(lost("the encoder stopped")),
            Ok(Err(error)) => Err(error),
            Err(stopped) => Err(lost(stopped)),
        }
    }
}

fn lost(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> WriteError {
    WriteError::Store(StoreError::Io(std::io::Error::other(cause)))
}
