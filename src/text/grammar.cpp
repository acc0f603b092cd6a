#include "text/grammar.h"

#include <algorithm>
#include <limits>

namespace tq {

bool Grammar::add_alternative(std::uint32_t rule, const Sequence& sequence) {
  if (symbols_.size() + sequence.size() + 1 > kMostSymbols) return false;
  rules_[rule].push_back(static_cast<std::uint32_t>(symbols_.size()));
  symbols_.insert(symbols_.end(), sequence.begin(), sequence.end());
  symbols_.push_back({});
  return true;
}

Grammar::Symbol Grammar::bytes(const ByteSet& set) {
  const auto found = std::find(sets_.begin(), sets_.end(), set);
  if (found != sets_.end()) return {Symbol::Kind::kBytes, static_cast<std::uint32_t>(found - sets_.begin())};
  sets_.push_back(set);
  return {Symbol::Kind::kBytes, static_cast<std::uint32_t>(sets_.size() - 1)};
}

void Grammar::append(std::string_view text, Sequence& sequence) {
  for (const char byte : text) {
    ByteSet one;
    one.set(static_cast<unsigned char>(byte));
    sequence.push_back(bytes(one));
  }
}

std::vector<bool> Grammar::derivable(bool only_empty) const {
  std::vector<bool> known(rules_.size(), false);
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t r = 0; r < rules_.size(); ++r) {
      if (known[r]) continue;
      for (std::uint32_t at : rules_[r]) {
        while (symbols_[at].kind != Symbol::Kind::kEnd &&
               (symbols_[at].kind == Symbol::Kind::kRule ? known[symbols_[at].index] : !only_empty))
          ++at;
        if (symbols_[at].kind == Symbol::Kind::kEnd) known[r] = changed = true;
      }
    }
  }
  return known;
}

bool Grammar::begins_with_itself(const std::vector<bool>& nullable) const {
  enum class Mark : std::uint8_t { kNew, kOpen, kDone };
  std::vector<Mark> marks(rules_.size(), Mark::kNew);
  // Depth first, without recursion: a rule is open while what it may begin with is looked at.
  for (std::uint32_t root = 0; root < rules_.size(); ++root) {
    std::vector<std::uint32_t> path = {root};
    while (!path.empty()) {
      const std::uint32_t r = path.back();
      if (marks[r] != Mark::kNew) {
        marks[r] = Mark::kDone;
        path.pop_back();
        continue;
      }
      marks[r] = Mark::kOpen;
      for (std::uint32_t at : rules_[r]) {
        for (; symbols_[at].kind == Symbol::Kind::kRule; ++at) {
          const std::uint32_t next = symbols_[at].index;
          if (marks[next] == Mark::kOpen) return true;
          if (marks[next] == Mark::kNew) path.push_back(next);
          if (!nullable[next]) break;
        }
      }
    }
  }
  return false;
}

bool Grammar::is_sound() const {
  const std::vector<bool> finite = derivable(false);
  return std::find(finite.begin(), finite.end(), false) == finite.end() && !begins_with_itself(derivable(true));
}

/// A position in an alternative, and where to go on behind it: a chain of nodes that states share.
class OutputConstraint::State {
 public:
  explicit State(std::shared_ptr<const OutputGrammar> grammar)
      : owner_(std::move(grammar)), grammar_(static_cast<const Grammar&>(*owner_)) {
    for (const std::uint32_t at : grammar_.alternatives(0)) enter(at, kNone, now_);
  }

  /// Follows `bytes` from now_ into next_; false as soon as nothing is left.
  bool follow(std::string_view bytes) {
    next_ = now_;
    for (const char byte : bytes) {
      before_.swap(next_);
      next_.clear();
      for (const Place& place : before_) {
        if (place.at != kDone && grammar_.set(grammar_.symbol(place.at).index)[static_cast<unsigned char>(byte)])
          enter(place.at + 1, place.behind, next_);
      }
      if (next_.empty()) return false;
    }
    return true;
  }

  bool allows(std::string_view bytes) {
    const std::size_t kept = nodes_.size();
    const bool allowed = follow(bytes);
    nodes_.resize(kept);
    return allowed;
  }

  void accept(std::string_view bytes) {
    follow(bytes);
    now_ = next_;
  }

  bool may_end() const {
    return std::any_of(now_.begin(), now_.end(), [](const Place& place) { return place.at == kDone; });
  }
  bool must_end() const {
    return std::all_of(now_.begin(), now_.end(), [](const Place& place) { return place.at == kDone; });
  }

  ByteSet first_bytes() const {
    ByteSet first;
    for (const Place& place : now_) {
      if (place.at != kDone) first |= grammar_.set(grammar_.symbol(place.at).index);
    }
    return first;
  }

 private:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max(), kDone = kNone;
  struct Place {
    std::uint32_t at, behind;  ///< of a byte set, or kDone; a node or kNone
    bool operator==(const Place&) const = default;
  };

  /// Adds the byte sets that can come next at `at`. Grammar::is_sound() bounds the recursion by the number of rules.
  void enter(std::uint32_t at, std::uint32_t behind, std::vector<Place>& places) {
    const Grammar::Symbol& symbol = grammar_.symbol(at);
    if (symbol.kind == Grammar::Symbol::Kind::kBytes) return add({at, behind}, places);
    if (symbol.kind == Grammar::Symbol::Kind::kEnd) {
      if (behind == kNone) return add({kDone, kNone}, places);
      const Place after = nodes_[behind];
      return enter(after.at, after.behind, places);
    }
    std::uint32_t after = behind;
    if (grammar_.symbol(at + 1).kind != Grammar::Symbol::Kind::kEnd) {
      after = static_cast<std::uint32_t>(nodes_.size());
      nodes_.push_back({at + 1, behind});
    }
    for (const std::uint32_t alternative : grammar_.alternatives(symbol.index)) enter(alternative, after, places);
  }

  /// Ways to read a text that are as good as each other can double with each byte. Forgetting some keeps the text in
  /// the grammar: each that is left can be finished.
  static constexpr std::size_t kMostPlaces = 1024;
  static void add(Place place, std::vector<Place>& places) {
    if (places.size() < kMostPlaces && std::find(places.begin(), places.end(), place) == places.end())
      places.push_back(place);
  }

  std::shared_ptr<const OutputGrammar> owner_;
  const Grammar& grammar_;
  std::vector<Place> now_, before_, next_, nodes_;
};

OutputConstraint::OutputConstraint(std::shared_ptr<const OutputGrammar> grammar)
    : state_(std::make_unique<State>(std::move(grammar))) {}
OutputConstraint::~OutputConstraint() = default;
OutputConstraint::OutputConstraint(OutputConstraint&&) noexcept = default;
OutputConstraint& OutputConstraint::operator=(OutputConstraint&&) noexcept = default;

bool OutputConstraint::allows(std::string_view bytes) { return state_->allows(bytes); }
void OutputConstraint::accept(std::string_view bytes) { state_->accept(bytes); }
bool OutputConstraint::may_end() const { return state_->may_end(); }
bool OutputConstraint::must_end() const { return state_->must_end(); }

bool OutputConstraint::mask(std::span<const std::string> pieces, std::span<const TokenId> ends,
                            std::span<float> logits) {
  const ByteSet first = state_->first_bytes();
  const bool ending = may_end();
  bool any = false;
  for (std::size_t id = 0; id < logits.size(); ++id) {
    const std::string_view piece = id < pieces.size() ? std::string_view(pieces[id]) : std::string_view();
    bool allowed = !piece.empty() && first[static_cast<unsigned char>(piece[0])] && state_->allows(piece);
    if (std::find(ends.begin(), ends.end(), static_cast<TokenId>(id)) != ends.end()) allowed = ending;
    if (!allowed) logits[id] = -std::numeric_limits<float>::infinity();
    any = any || allowed;
  }
  return any;
}

}  // namespace tq
