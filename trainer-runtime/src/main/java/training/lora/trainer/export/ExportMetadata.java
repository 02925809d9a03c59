package training.lora.trainer.export;

/**
 * What a file says of itself.
 *
 * @param title the run's name
 */
public record ExportMetadata(String title) {}
