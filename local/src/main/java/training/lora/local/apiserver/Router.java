package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Finds out what a request's path is about and hands it on. */
final class Router {
    private final Registry registry;
    private final Discovery discovery;
    private final OpenApi openApi;
    private final ResourceHandler resources;
    private final LogHandler logs;
    private final Store store;
    private final Tokens tokens;

    Router(Registry registry, Store store, Tokens tokens, ResourceHandler resources, LogHandler logs) {
        this.registry = registry;
        this.discovery = new Discovery(registry);
        this.openApi = new OpenApi(registry);
        this.store = store;
        this.tokens = tokens;
        this.resources = resources;
        this.logs = logs;
    }

    /** Answers; null if the answer was streamed. @throws ApiException with what is said instead */
    @Nullable Response route(Request request) throws IOException {
        List<String> path = request.path();
        return switch (path.isEmpty() ? "" : path.get(0)) {
            case "version" -> Response.ok(Discovery.version());
            case "openapi" -> openApi(path);
            case "api" ->
                path.size() == 1
                        ? Response.ok(Discovery.coreVersions())
                        : groupVersion(request, "", path.get(1), path.subList(2, path.size()));
            case "apis" ->
                switch (path.size()) {
                    case 1 -> Response.ok(discovery.groups());
                    case 2 -> throw notServed(path);
                    default -> groupVersion(request, path.get(1), path.get(2), path.subList(3, path.size()));
                };
            default -> throw notServed(path);
        };
    }

    private static ApiException notServed(List<String> path) {
        return ApiException.notServed("/" + String.join("/", path));
    }

    private Response openApi(List<String> path) {
        if (path.size() < 2 || !path.get(1).equals("v3")) {
            throw notServed(path);
        }
        return Response.ok(
                path.size() == 2 ? openApi.index() : openApi.document(String.join("/", path.subList(2, path.size()))));
    }

    private @Nullable Response groupVersion(Request request, String group, String version, List<String> rest)
            throws IOException {
        if (rest.isEmpty()) {
            return Response.ok(discovery.resources(group.isEmpty() ? version : group + "/" + version));
        }
        if (group.equals("authentication.k8s.io") && rest.equals(List.of("tokenreviews"))) {
            return Response.created(tokens.review(request.objectBody()));
        }
        // namespaces/N/pods is in a namespace; namespaces/N and namespaces/N/status are the namespace itself.
        boolean in = rest.get(0).equals("namespaces")
                && rest.size() > 2
                && !rest.get(2).equals("status");
        List<String> of = in ? rest.subList(2, rest.size()) : rest;
        var target = new ResourceHandler.Target(
                registry.find(group, version, of.get(0)),
                in ? rest.get(1) : "",
                of.size() > 1 ? of.get(1) : "",
                of.size() > 2 ? String.join("/", of.subList(2, of.size())) : "");
        boolean isRead = request.method().equals("GET") && target.name().isEmpty();
        if (target.resource().namespaced() && !in && !isRead) {
            throw ApiException.badRequest("an object of " + target.resource().qualifiedName() + " is in a namespace");
        }
        return switch (target.resource().qualifiedName() + "/" + target.subresource()) {
            case "pods/log" -> {
                logs.serve(request, target);
                yield null;
            }
            case "serviceaccounts/token" -> token(request, target);
            default -> resources.handle(request, target);
        };
    }

    private Response token(Request request, ResourceHandler.Target target) {
        ObjectNode account = store.get(target.key());
        if (account == null) {
            throw ApiException.notFound(target.resource(), target.name());
        }
        return Response.created(tokens.request(account, request.objectBody()));
    }
}
