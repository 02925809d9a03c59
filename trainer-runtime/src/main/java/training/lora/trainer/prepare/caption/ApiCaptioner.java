package training.lora.trainer.prepare.caption;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import training.lora.api.CaptionApiSpec;
import training.lora.api.CaptionsSpec;
import training.lora.trainer.Waits;
import training.lora.trainer.http.Http;
import training.lora.trainer.run.RunContext;

/** Captions by a model that sees, behind an API as OpenAI's: a picture a call, or several on one sheet. */
final class ApiCaptioner implements Captioner {
    /** Is raised where something else is asked or shown, so that it is asked anew. */
    private static final int VERSION = 3;

    private static final int SIDE = 512;

    /** Of a cell where several pictures are on a sheet. */
    private static final int CELL = 256;

    /** How often a picture is asked for alone of which the answer is no caption. */
    private static final int ATTEMPTS = 3;

    private static final String SYSTEM = "You write captions for pictures that an image generator learns from. "
            + "A caption is one plain sentence or phrase, in lower case, without a full stop. "
            + "It says what can be seen and nothing that can only be guessed.";

    private static final String INSTRUCTION =
            "Describe the picture in at most 20 words: what or who is in it, doing what, where, and how it is framed and lit.";

    private final String field;
    private final CaptionsSpec captions;
    private final CaptionApiSpec api;
    private final ChatApi chat;
    private final Http http;
    private final ExecutorService threads;
    private final AtomicInteger cut = new AtomicInteger();

    /** @param field that has {@code captions} */
    ApiCaptioner(String field, CaptionsSpec captions, CaptionApiSpec api, ChatApi chat, Http http) {
        this.field = field;
        this.captions = captions;
        this.api = api;
        this.chat = chat;
        this.http = http;
        this.threads = Waits.daemons("captions", api.concurrency());
    }

    /** @param field that has {@code captions} */
    static ApiCaptioner open(String field, CaptionsSpec captions, CaptionApiSpec api, RunContext context) {
        Http http = ChatAccess.http(context);
        ChatAccess access = ChatAccessBuilder.builder()
                .field(field + ".api")
                .url(api.url())
                .model(api.model())
                .timeoutSeconds(api.timeoutSeconds())
                .secretRef(api.secretRef())
                .build();
        return new ApiCaptioner(field, captions, api, access.open(context, http), http);
    }

    static String key(CaptionsSpec captions) {
        CaptionApiSpec api = captions.api();
        return api == null
                ? ""
                : "OpenAI %d %s %s %s begin %s maxTokens %d sheet %d"
                        .formatted(
                                VERSION,
                                api.url(),
                                api.model(),
                                api.instruction(),
                                captions.beginning(),
                                captions.maxTokens(),
                                api.picturesPerCall());
    }

    @Override
    public int atOnce() {
        return api.concurrency() * api.picturesPerCall();
    }

    @Override
    public List<String> captions(List<CroppedPicture> pictures) throws IOException, DeclinedPicturesException {
        List<Future<List<Answer>>> calls = new ArrayList<>();
        for (int i = 0; i < pictures.size(); i += api.picturesPerCall()) {
            List<CroppedPicture> some = pictures.subList(i, Math.min(pictures.size(), i + api.picturesPerCall()));
            calls.add(threads.submit(() -> ask(some)));
        }
        List<@Nullable String> all = new ArrayList<>();
        Map<Integer, String> declined = new TreeMap<>();
        for (Future<List<Answer>> call : calls) {
            for (Answer answer : Waits.get(call)) {
                if (answer.declined() != null) {
                    declined.put(all.size(), answer.declined());
                }
                all.add(answer.caption());
            }
        }
        if (!declined.isEmpty()) {
            throw new DeclinedPicturesException(all, declined);
        }
        return all.stream().map(Objects::requireNonNull).toList();
    }

    /** A caption, or what became of the question. */
    private record Answer(
            @Nullable String caption, @Nullable String declined) {}

    private List<Answer> ask(List<CroppedPicture> pictures) throws IOException {
        if (pictures.size() > 1) {
            List<String> several =
                    sheet(pictures.stream().map(CroppedPicture::file).toList());
            if (several != null) {
                return several.stream().map(text -> new Answer(text, null)).toList();
            }
        }
        List<Answer> each = new ArrayList<>();
        for (CroppedPicture picture : pictures) {
            each.add(one(picture));
        }
        return each;
    }

    private Answer one(CroppedPicture picture) throws IOException {
        ChatApi.Question question = question(PictureSheet.of(List.of(picture.file()), SIDE), instruction(), 1);
        String said = "";
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            try {
                said = chat.ask(
                        attempt == 0
                                ? question
                                : ChatApiQuestionBuilder.builder(question)
                                        .text(JsonAnswers.again(question.text(), "it was no caption"))
                                        .build());
            } catch (ChatApi.DeclinedException e) {
                return new Answer(null, e.getMessage() + (e.wantsRoom() ? room() : ""));
            }
            String caption = caption(said);
            if (caption != null) {
                return new Answer(caption, null);
            }
        }
        return new Answer(null, "was declined by the model: " + Completion.shown(said));
    }

    /** What gives an answer more room. */
    private String room() {
        return ": `%s.maxTokens`, %d, may be more, also for what a model thinks, or `%s.api.model` another"
                .formatted(field, captions.maxTokens(), field);
    }

    /** The caption in what the model said of a picture; null if it said none. */
    private @Nullable String caption(String said) {
        CaptionAnswer answer = CaptionAnswer.of(said);
        if (answer.text().isEmpty() || CaptionAnswer.refuses(answer.text())) {
            return null;
        }
        if (answer.cut()) {
            cut.incrementAndGet();
        }
        return answer.text();
    }

    /** Captions of all pictures of a sheet; null if the model gave as many in no answer. */
    private @Nullable List<String> sheet(List<Path> files) throws IOException {
        PictureSheet sheet = PictureSheet.of(files, CELL);
        String text = """
                The picture is a sheet of %d pictures, %d in a row, to be counted from left to right and row by row. For each of them: %s
                Answer with JSON: {"captions": [...]}, %d texts in that order.""".formatted(files.size(), sheet.columns(), instruction(), files.size());
        List<String> texts = new JsonAnswers(chat).texts(question(sheet, text, files.size()), all -> {
            if (all.size() != files.size()) {
                return "it had %d captions for %d pictures".formatted(all.size(), files.size());
            }
            // What is around a caption may hide that it is none.
            List<String> bare =
                    all.stream().map(said -> CaptionAnswer.of(said).text()).toList();
            if (bare.stream().anyMatch(CaptionAnswer::refuses)) {
                return "a text was no caption";
            }
            return bare.contains("") ? "a caption was empty" : null;
        });
        return texts == null
                ? null
                : texts.stream().map(this::caption).map(Objects::requireNonNull).toList();
    }

    private String instruction() {
        String own = api.instruction().isEmpty() ? INSTRUCTION : api.instruction();
        return captions.beginning().isEmpty() ? own : own + " Begin with \"" + captions.beginning() + "\".";
    }

    private ChatApi.Question question(PictureSheet sheet, String text, int captioned) {
        return ChatApiQuestionBuilder.builder()
                .system(SYSTEM)
                .text(text)
                .pictures(List.of(sheet.jpeg()))
                .tokens(captions.maxTokens() * captioned + (captioned > 1 ? 20 : 0))
                .build();
    }

    @Override
    public String key() {
        return key(captions);
    }

    @Override
    public String cost() {
        return chat.cost().sentence();
    }

    @Override
    public @Nullable String note() {
        return cut.get() == 0
                ? null
                : "%d answers of %s had more than a caption, such as words to you, quotes or Markdown, which is left out"
                        .formatted(cut.get(), api.model());
    }

    @Override
    public void close() {
        threads.shutdownNow();
        try {
            http.close();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
