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
    Magnitude(".dora_scale", ".lora_magnitude_vector"),
    /** What stands between A and B of a convolution's LoRA in files, a core (rank, rank, k, k). */
    Mid(".lora_mid.weight"),
    /** LoHa's: the first product's left factor. */
    HadaW1A(".hada_w1_a"),
    /** LoHa's: the first product's right factor. */
    HadaW1B(".hada_w1_b"),
    /** LoHa's: the second product's left factor. */
    HadaW2A(".hada_w2_a"),
    /** LoHa's: the second product's right factor. */
    HadaW2B(".hada_w2_b"),
    /** What stands between the first product's factors in files, a core (rank, rank, k, k). */
    HadaT1(".hada_t1"),
    /** The same of the second product. */
    HadaT2(".hada_t2"),
    /** LoKr's: the first matrix. */
    LokrW1(".lokr_w1"),
    /** LoKr's: the first matrix's left factor. */
    LokrW1A(".lokr_w1_a"),
    /** LoKr's: the first matrix's right factor. */
    LokrW1B(".lokr_w1_b"),
    /** LoKr's: the second matrix. */
    LokrW2(".lokr_w2"),
    /** LoKr's: the second matrix's left factor. */
    LokrW2A(".lokr_w2_a"),
    /** LoKr's: the second matrix's right factor. */
    LokrW2B(".lokr_w2_b"),
    /** What stands between the second matrix' factors in files, a core (rank, rank, k, k). */
    LokrT2(".lokr_t2"),
    /** What is added to the weight, whole. */
    Diff(".diff");

    private final String kohya;
    private final String peft;

    AdapterPart(String kohya, String peft) {
        this.kohya = kohya;
        this.peft = peft;
    }

    /** One whose name is LyCORIS' in either form. */
    AdapterPart(String lycoris) {
        this(lycoris, lycoris);
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
