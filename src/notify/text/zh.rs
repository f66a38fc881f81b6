//! Simplified Chinese.

use super::{Moment, Piece, QuestionKind, Standing, Tongue, Verdict, What, because, clock, fill, long, ours, theirs};
use crate::incident::{self, Brief, IncidentEvent};
use crate::notify::moment::Wish;
use crate::run::{Answer, SkipHow, StopKind};

pub(super) struct Chinese;

impl Tongue for Chinese {
    fn sentence(&self, moment: &Moment) -> Vec<Piece> {
        let who = || theirs(&moment.actor);
        match &moment.what {
            What::OfIncident(event) => self.of_incident(&moment.actor, event),
            What::Began { overrides } => {
                let mut pieces = fill("由 {} 启动", [who()]);
                for (brake, why) in overrides {
                    pieces.extend(fill("；已越过限制 {}，原因：{}", [theirs(brake), theirs(why)]));
                }
                pieces
            }
            What::TookOver { from, reason } => fill("接替运行 {}：{}", [theirs(from), theirs(reason)]),
            What::Asks { task, kind, message, deadline } => {
                let mut pieces =
                    fill("需要人工处理（{}），{}：{}", [ours(asked(*kind)), theirs(task), theirs(message)]);
                pieces.extend(match deadline {
                    Some(at) => fill("；若到 {} UTC 仍无人答复，将按默认方式处理", [ours(clock(*at))]),
                    None => fill("；将一直等待，直到有人答复", []),
                });
                pieces
            }
            What::Approval { task, message, roles, min, deadline } => {
                let roles = if roles.is_empty() { ours("任何人") } else { theirs(roles.join(" / ")) };
                let mut pieces =
                    fill("{} 等待审批：需要 {} 中 {} 人同意", [theirs(task), roles, ours(min.to_string())]);
                pieces.extend(because("：{}", message));
                if let Some(at) = deadline {
                    pieces.extend(fill("；截止 {} UTC", [ours(clock(*at))]));
                }
                pieces
            }
            What::Approved { task, reason, break_glass, complete } => {
                let form = if *break_glass { "{} 紧急放行了 {}" } else { "{} 批准了 {}" };
                let mut pieces = fill(form, [who(), theirs(task)]);
                pieces.extend(because("：{}", reason));
                if !complete {
                    pieces.push(ours("；还需其他人同意"));
                }
                pieces
            }
            What::Rejected { task, reason } => fill("{} 拒绝了 {}：{}", [who(), theirs(task), theirs(reason)]),
            What::Answered { task, answer, reason } => {
                let mut pieces = fill("{} 就 {} 答复：{}", [who(), theirs(task), ours(answered(*answer))]);
                pieces.extend(because("（{}）", reason));
                pieces
            }
            What::Requested { request, reason } => {
                let mut pieces = match request {
                    Wish::Cancel => fill("{} 要求撤销并结束", [who()]),
                    Wish::Rollback(None) => fill("{} 要求回滚到起点", [who()]),
                    Wish::Rollback(Some(to)) => fill("{} 要求回滚到 {}", [who(), theirs(to)]),
                    Wish::Abort => fill("{} 要求直接结束，不撤销任何改动", [who()]),
                    Wish::Pause => fill("{} 要求暂停", [who()]),
                };
                pieces.extend(because("：{}", reason));
                pieces
            }
            What::Skipped { task, how, reason } => {
                let how = match how {
                    SkipHow::DoneByHand => "已手工完成",
                    SkipHow::NotNeeded => "不需要执行",
                };
                fill("{} 声明 {} {}：{}", [who(), theirs(task), ours(how), theirs(reason)])
            }
            What::Crossed { task } => fill("已越过不可回退点：{} 开始执行", [theirs(task)]),
            What::Refused { task, message } => fill("{} 未开始，没有任何改动：{}", [theirs(task), theirs(message)]),
            What::Failed { task, unknown, undo, message } => {
                let form = match (unknown, undo) {
                    (false, false) => "{} 失败：{}",
                    (false, true) => "{} 的撤销失败：{}",
                    (true, false) => "不确定 {} 是否已生效：{}",
                    (true, true) => "不确定 {} 的撤销是否已生效：{}",
                };
                fill(form, [theirs(task), theirs(message)])
            }
            What::Broken { names } => fill("必须成立的条件不成立：{}", [theirs(names.join(", "))]),
            What::Late { from, to, max } => fill("从 {} 到 {} 已超过 {}", [theirs(from), theirs(to), long(*max)]),
            What::Undoing { to: None, because } => fill("开始回滚到起点：{}", [theirs(because)]),
            What::Undoing { to: Some(to), because } => fill("开始回滚到 {}：{}", [theirs(to), theirs(because)]),
            What::Checkpoint { name } => fill("到达检查点 {}", [theirs(name)]),
            What::Stopped { kind: StopKind::Paused, because } => fill("已暂停：{}", [theirs(because)]),
            What::Stopped { kind: StopKind::Interrupted, because } => fill("已中断：{}", [theirs(because)]),
            What::Resumed { reason } => [fill("继续执行", []), because("：{}", reason)].concat(),
            What::Halted { by, reason } => [fill("{} 已叫停所有操作", [theirs(by)]), because("：{}", reason)].concat(),
            What::HaltLifted { by } => fill("{} 已解除叫停", [theirs(by)]),
            What::Ended { verdict, summary, seconds } => {
                fill("结束，用时 {}，{}：{}", [long(*seconds), ours(ended(*verdict)), theirs(summary)])
            }
            What::Other { text } => vec![theirs(text)],
        }
    }

    fn of_incident(&self, actor: &str, event: &IncidentEvent) -> Vec<Piece> {
        let who = || theirs(actor);
        let (said, reason) = match event {
            IncidentEvent::Opened(opening) => {
                let mut pieces = fill("{} 创建了事件（{}）", [who(), theirs(&opening.why)]);
                if !opening.services.is_empty() {
                    pieces.extend(fill("；受影响：{}", [theirs(opening.services.join("、"))]));
                }
                (pieces, "")
            }
            IncidentEvent::Noted { text } => (fill("{}：{}", [who(), theirs(text)]), ""),
            IncidentEvent::Assigned { owner: Some(owner), reason } => {
                (fill("{} 将事件指派给 {}", [who(), theirs(owner)]), reason.as_str())
            }
            IncidentEvent::Assigned { owner: None, reason } => {
                (fill("{} 取消了指派，目前无人负责", [who()]), reason.as_str())
            }
            IncidentEvent::SeverityChanged { severity, reason } => {
                (fill("{} 将级别改为 {}", [who(), ours(severity.word())]), reason.as_str())
            }
            IncidentEvent::Alert { .. } => (fill("{} 的告警有更新", [who()]), ""),
            IncidentEvent::Proposed { playbook, why, .. } => {
                (fill("需要人工决定是否执行 {}", [theirs(playbook)]), why.as_str())
            }
            IncidentEvent::Resolved { reason } => (fill("{} 标记为已恢复", [who()]), reason.as_str()),
            IncidentEvent::Closed { reason } => (fill("{} 关闭了事件", [who()]), reason.as_str()),
            IncidentEvent::Reopened { reason } => (fill("{} 重新打开了事件", [who()]), reason.as_str()),
        };
        [said, because("：{}", reason)].concat()
    }

    fn incident(&self, brief: &Brief, since: &str) -> Vec<Piece> {
        let word = match brief.standing {
            incident::Standing::Open => "处理中",
            incident::Standing::Resolved => "已恢复",
            incident::Standing::Closed => "已关闭",
        };
        let owner =
            brief.owner.as_ref().map_or_else(|| fill("无人负责", []), |owner| fill("负责人 {}", [theirs(owner)]));
        [fill("事件{}（自 {} UTC） · ", [ours(word), ours(since)]), owner].concat()
    }

    fn standing(&self, standing: Standing) -> Vec<Piece> {
        match standing {
            Standing::Running => fill("执行中", []),
            Standing::Waiting(QuestionKind::UndoFailed) => fill("卡住：撤销失败，锁仍被持有", []),
            Standing::Waiting(kind) => fill("等待人工处理：{}", [ours(asked(kind))]),
            Standing::Undoing => fill("正在回滚", []),
            Standing::Paused => fill("已暂停", []),
            Standing::Halted => fill("已叫停", []),
            Standing::Ended(verdict, seconds) => fill("已结束，用时 {}：{}", [long(seconds), ours(ended(verdict))]),
        }
    }

    fn service(&self, word: &str, since: &str) -> Vec<Piece> {
        let state = match word {
            "up" => "正常",
            "degraded" => "降级",
            _ => "中断",
        };
        fill("服务{}（自 {} UTC）", [ours(state), ours(since)])
    }

    fn place(&self, environment: &str, incident: Option<&str>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if !environment.is_empty() {
            pieces.extend(fill("环境 {}", [theirs(environment)]));
        }
        if let Some(incident) = incident {
            pieces.extend(fill(if pieces.is_empty() { "事件 {}" } else { "，事件 {}" }, [theirs(incident)]));
        }
        pieces
    }

    fn left_out(&self) -> &'static str {
        "… 此处省略更早的 {} 条，完整内容见时间线"
    }
}

fn asked(kind: QuestionKind) -> &'static str {
    match kind {
        QuestionKind::UnknownOutcome => "不确定某一步是否已生效",
        QuestionKind::StepFailed => "某一步失败",
        QuestionKind::UndoFailed => "撤销失败",
        QuestionKind::BehindPointOfNoReturn => "已在不可回退点之后",
        QuestionKind::Approval => "审批",
        QuestionKind::InvariantBroken => "必须成立的条件不成立",
        QuestionKind::WrongIdentity => "目标不是预期的那一个",
    }
}

fn answered(answer: Answer) -> &'static str {
    match answer {
        Answer::TookEffect => "已生效",
        Answer::DidNot => "未生效",
        Answer::Retry => "重试",
        Answer::Undo => "撤销",
        Answer::Abandon => "保持现状并结束",
        Answer::GoOn => "仍然继续",
    }
}

fn ended(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded => "成功",
        Verdict::SucceededWithExceptions => "成功，但有例外",
        Verdict::Failed => "失败，无需撤销",
        Verdict::RolledBack => "失败，已回滚",
        Verdict::RolledBackToCheckpoint => "失败，已回滚到检查点",
        Verdict::Incomplete => "未完成，改动仍在",
        Verdict::Abandoned => "已放弃，改动可能仍在",
    }
}
