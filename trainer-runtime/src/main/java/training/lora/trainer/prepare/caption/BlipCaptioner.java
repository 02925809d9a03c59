package training.lora.trainer.prepare.caption;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.List;
import training.lora.api.CaptionsSpec;
import training.lora.api.PlainText;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.blip.Blip;
import training.lora.trainer.sample.Picture;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.TorchScript;

/** Captions by BLIP. A picture is squeezed into the square that it sees, as transformers' processor does. */
final class BlipCaptioner implements Captioner {
    /** More at once are no faster on a CPU. */
    private static final int AT_ONCE = 4;

    private final Blip blip;
    private final BlipWriter writer;
    private final long seed;
    private final String key;
    private final NDManager manager;

    private BlipCaptioner(Blip blip, CaptionsSpec captions, long seed, NDManager manager) {
        this.blip = blip;
        this.seed = seed;
        this.key = key(captions, seed);
        this.manager = manager;
        Decoding decoding = DecodingBuilder.builder()
                .beams(captions.beams())
                .temperature(captions.temperature())
                .topK(captions.topK())
                .mostTokens(captions.maxTokens())
                .end(blip.endToken())
                .pad(blip.padToken())
                .rules(WritingRules.NONE)
                .build();
        this.writer = new BlipWriter(blip, decoding, blip.tokens(captions.beginning()));
    }

    /** @param field that names {@code folder} */
    static BlipCaptioner open(Path folder, String field, CaptionsSpec captions, long seed, NDManager manager) {
        Blip blip;
        try {
            blip = Blip.open(folder, manager);
        } catch (TrainerException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s` must name a BLIP model as transformers writes it, but %s".formatted(field, e.getMessage()),
                    e);
        }
        BlipCaptioner captioner = new BlipCaptioner(blip, captions, seed, manager);
        if (captioner.writer.prompt().length + 1 >= blip.longest()) {
            blip.close();
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%s.beginning` must leave room for a caption of at most %d tokens, but has %d"
                            .formatted(
                                    field.replace(".model.uri", ""),
                                    blip.longest() - 1,
                                    captioner.writer.prompt().length));
        }
        return captioner;
    }

    static String key(CaptionsSpec captions, long seed) {
        return "Blip " + Decoding.key(captions, seed);
    }

    @Override
    public int atOnce() {
        return AT_ONCE;
    }

    @Override
    public List<String> captions(List<CroppedPicture> pictures) {
        try (NDManager scope = manager.newSubManager()) {
            NDList squares = new NDList();
            for (CroppedPicture picture : pictures) {
                squares.add(square(picture.read(), scope));
            }
            NDArray batch = NDArrays.concat(squares, 0);
            batch.attach(scope);
            return writer
                    .write(
                            batch,
                            i -> Randomness.generator(
                                    seed,
                                    0,
                                    "caption of " + pictures.get(i).item().name()))
                    .stream()
                    .map(tokens -> PlainText.of(blip.text(tokens)))
                    .toList();
        }
    }

    private NDArray square(Picture picture, NDManager scope) {
        int side = blip.imageSize();
        NDArray pixels = Picture.toBatch(List.of(picture), scope);
        if (picture.width() == side && picture.height() == side) {
            return pixels;
        }
        return TorchScript.compile(
                        "x",
                        "return torch.clamp(torch._upsample_bicubic2d_aa(x, [%1$d, %1$d], False, None, None), 0., 1.)"
                                .formatted(side))
                .call(scope, pixels);
    }

    @Override
    public String key() {
        return key;
    }

    @Override
    public void close() {
        blip.close();
    }
}
