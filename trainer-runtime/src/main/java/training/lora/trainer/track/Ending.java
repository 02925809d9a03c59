package training.lora.trainer.track;

/** How a process that told a service ended. */
public enum Ending {
    /** All that it was started for is done. */
    Finished,
    /** By a failure. */
    Failed,
    /** It was asked to stop, and another may go on. */
    Interrupted
}
