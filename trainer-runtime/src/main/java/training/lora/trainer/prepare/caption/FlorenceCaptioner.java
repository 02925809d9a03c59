package training.lora.trainer.prepare.caption;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.imgcodecs.Imgcodecs;
import training.lora.api.CaptionDetail;
import training.lora.api.CaptionsSpec;
import training.lora.api.PlainText;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.florence.Florence;
import training.lora.trainer.florence.FlorenceSettings;
import training.lora.trainer.florence.FlorenceText;
import training.lora.trainer.tensor.Randomness;

/** Captions by Florence-2. A picture is squeezed into the square that it sees, as transformers' processor does. */
final class FlorenceCaptioner implements Captioner {
    /**
     * Texts that are written together read the decoder's weights once. ONNX Runtime 1.20 gives a row the same bits whatever stands
     * beside it, since weights are packed for one kernel: so a text is the same whoever is captioned with it.
     */
    private static final int AT_ONCE = 4;

    private final Florence model;
    private final Decoding decoding;
    private final long[] prompt;
    private final String question;
    private final long seed;
    private final String key;

    private FlorenceCaptioner(Florence model, CaptionsSpec captions, long seed) {
        this.model = model;
        this.seed = seed;
        this.key = key(captions, seed);
        this.question = question(captions.detail());
        this.prompt = prompt(model, captions.beginning());
        FlorenceSettings settings = model.settings();
        this.decoding = DecodingBuilder.builder()
                .beams(captions.beams())
                .temperature(captions.temperature())
                .topK(captions.topK())
                .mostTokens(captions.maxTokens())
                .end(settings.end())
                .pad(settings.pad())
                .rules(WritingRulesBuilder.builder()
                        .noRepeat(settings.noRepeat())
                        .first(settings.first())
                        .last(settings.last())
                        .early(settings.early())
                        .build())
                .build()
                .within(settings.longest() - prompt.length);
    }

    /** @param field that names {@code folder} */
    static FlorenceCaptioner open(Path folder, String field, CaptionsSpec captions, long seed) {
        Florence model = Florence.open(field, folder);
        try {
            int most = model.settings().longest() - 3;
            int beginning = model.tokens(captions.beginning()).length;
            if (beginning > most) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        "`%s.beginning` must leave room for a caption of at most %d tokens, but has %d"
                                .formatted(field.replace(".model.uri", ""), most, beginning));
            }
            return new FlorenceCaptioner(model, captions, seed);
        } catch (RuntimeException | Error e) {
            model.close();
            throw e;
        }
    }

    /** What Florence-2 was taught to answer with a caption. */
    static String question(CaptionDetail detail) {
        return switch (detail) {
            case Caption -> "What does the image describe?";
            case Detailed -> "Describe in detail what is shown in the image.";
            case MoreDetailed -> "Describe with a paragraph what is shown in the image.";
        };
    }

    /** The token before a text, and its beginning, where one is given; else the model writes that itself. */
    private static long[] prompt(Florence model, String beginning) {
        FlorenceSettings settings = model.settings();
        if (beginning.isEmpty()) {
            return new long[] {settings.start()};
        }
        long[] words = model.tokens(beginning);
        long[] prompt = new long[words.length + 2];
        prompt[0] = settings.start();
        prompt[1] = settings.begin();
        System.arraycopy(words, 0, prompt, 2, words.length);
        return prompt;
    }

    static String key(CaptionsSpec captions, long seed) {
        return "Florence2 " + captions.detail() + " " + Decoding.key(captions, seed);
    }

    @Override
    public int atOnce() {
        return AT_ONCE;
    }

    @Override
    public List<String> captions(List<CroppedPicture> pictures) throws IOException {
        return written(pictures).stream()
                .map(tokens -> PlainText.of(model.text(Decoding.after(prompt, tokens))))
                .toList();
    }

    /** The tokens that were written about each of {@code pictures}. */
    List<long[]> written(List<CroppedPicture> pictures) throws IOException {
        Florence.Seen seen = see(pictures);
        long[] before = java.util.Arrays.copyOf(prompt, prompt.length - 1);
        if (decoding.beams() == 1) {
            try (Continuation texts = continuation(model.begin(seen, before, 1))) {
                return decoding.write(
                        texts,
                        prompt,
                        pictures.size(),
                        i -> Randomness.generator(
                                seed, 0, "caption of " + pictures.get(i).item().name()));
            }
        }
        List<long[]> written = new ArrayList<>();
        for (int i = 0; i < pictures.size(); i++) {
            try (Continuation texts = continuation(model.begin(seen.only(i), before, decoding.beams()))) {
                written.add(decoding.search(texts, prompt));
            }
        }
        return written;
    }

    private static Continuation continuation(FlorenceText text) {
        return Continuation.of(text::next, text::pick, text::close);
    }

    private Florence.Seen see(List<CroppedPicture> pictures) throws IOException {
        List<Mat> mats = new ArrayList<>();
        try {
            for (CroppedPicture picture : pictures) {
                MatOfByte bytes = new MatOfByte(Files.readAllBytes(picture.file()));
                mats.add(Imgcodecs.imdecode(bytes, Imgcodecs.IMREAD_COLOR));
                bytes.release();
            }
            return model.see(mats, question);
        } finally {
            mats.forEach(Mat::release);
        }
    }

    @Override
    public String key() {
        return key;
    }

    @Override
    public void close() {
        model.close();
    }
}
