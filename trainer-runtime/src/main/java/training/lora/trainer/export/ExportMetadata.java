package training.lora.trainer.export;

/**
 * What a file says of itself.
 *
 * @param title the run's name
 * @param baseModel the base model's name
 * @param resolution side in pixels of the pictures that it was trained on
 */
public record ExportMetadata(String title, String baseModel, int resolution) {}
