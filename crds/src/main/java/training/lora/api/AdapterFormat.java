package training.lora.api;

/** Forms of the adapter file. */
public enum AdapterFormat {
    Kohya,
    Diffusers
}
