package training.lora.trainer.source;

import training.lora.api.Reason;

/** What a source is used for: which of a repository's files are needed, and how it is told that they are of another kind. */
public enum Use {
    BaseModel(Reason.InvalidBaseModel),
    Vae(Reason.InvalidBaseModel),
    Clip(Reason.InvalidBaseModel),
    Aesthetic(Reason.InvalidConfiguration),
    BaseAdapter(Reason.InvalidBaseModel),
    InitFrom(Reason.InvalidData),
    Dataset(Reason.InvalidData),
    /** A model that captions. */
    Blip(Reason.InvalidConfiguration),
    /** A model that helps, in the ONNX format: its graph and what describes it. */
    Onnx(Reason.InvalidConfiguration),
    /** Florence-2, which captions, in the ONNX format. */
    Florence(Reason.InvalidConfiguration),
    /** Models of faces. */
    Faces(Reason.InvalidConfiguration);

    private final Reason invalid;

    Use(Reason invalid) {
        this.invalid = invalid;
    }

    /** The reason where content is not what is asked for. */
    public Reason invalid() {
        return invalid;
    }
}
