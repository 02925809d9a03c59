package training.lora.api;

/** Forms of the adapter file. */
public enum AdapterFormat {
    /** kohya's names, which ComfyUI and AUTOMATIC1111 read. */
    Kohya,
    /** PEFT's names, which diffusers reads. */
    Diffusers,
    /**
     * kohya's names with full differences of weights, {@code X.diff}, for AUTOMATIC1111, which draws another picture from a DoRA.
     */
    A1111Baked
}
