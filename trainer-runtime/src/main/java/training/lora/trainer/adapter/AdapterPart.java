package training.lora.trainer.adapter;

/** A tensor of an adapted module, and how its name ends in files of either form. */
public enum AdapterPart {
    /** What scales the others where it is divided by the rank; PEFT's form has it in the metadata. */
    Alpha(".alpha", ""),
    /** A of a low-rank product. */
    Down(".lora_down.weight", ".lora_A.weight"),
    /** B of a low-rank product. */
    Up(".lora_up.weight", ".lora_B.weight"),
    /** What DoRA gives each output. */
    Magnitude(".dora_scale", ".lora_magnitude_vector");

    private final String kohya;
    private final String peft;

    AdapterPart(String kohya, String peft) {
        this.kohya = kohya;
        this.peft = peft;
    }

    /** The end of its name in kohya's form. */
    public String kohya() {
        return kohya;
    }

    /** The end of its name in PEFT's form. */
    public String peft() {
        return peft;
    }
}
